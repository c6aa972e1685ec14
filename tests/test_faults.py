"""Faults of writing, provoked for real: full disks, kills at every step, files that cannot be replaced. Whatever
happens, the old file is intact or the new one complete, the message says what to do, and nothing stays behind."""

import errno
import hashlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

import vggc
from tests.children import KILLED, Steps, die, in_child, start
from tests.networks import SMALL, network
from vggc.base.errors import ProductError
from vggc.base.staging import staging, write_text
from vggc.weights.loading import save_weights

TINY: Final = """\
vggc: 1
name: tiny
input: [1, 4, 4]
classes: 3
features: [4]
classifier: [{linear: classes}]
init: {conv2d: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, linear: {normal: 0.5}, bias: zeros}
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, hidden ones too."""
    return {each.name: each.read_bytes() if each.is_file() else b"folder" for each in folder.iterdir()}


def export(path: Path, seed: int, external_data: bool = False, text: str = TINY) -> None:
    vggc.export_onnx(network(text), path, seed=seed, external_data=external_data)


def export_in_two(path: Path, seed: int) -> None:
    export(path, seed, external_data=True)


def save(path: Path, seed: int) -> None:
    save_weights(network(SMALL).module(seed=seed), path)


def write_many_lines(path: Path, seed: int) -> None:
    write_text(path, f"line {seed}\n" * 2000)


PRODUCTS: Final[dict[str, tuple[str, Callable[[Path, int], None]]]] = {
    "onnx": ("x.onnx", export),
    "onnx in two files": ("x.onnx", export_in_two),
    "safetensors": ("x.safetensors", save),
    "torch file": ("x.pt", save),
    "text": ("x.txt", write_many_lines),
}
every_product = pytest.mark.parametrize("product", PRODUCTS)


def assert_refused(folder: Path, make: Callable[[Path, int], None], target: Path, reason: str, way_out: str) -> None:
    """Making fails with a message that says so, and changes nothing."""
    before = contents(folder)
    with pytest.raises(ProductError) as caught:
        make(target, 2)
    assert type(caught.value) is ProductError
    message = str(caught.value)
    assert str(target) in message
    assert reason in message
    assert way_out in message
    assert contents(folder) == before


# --- a full disk ---


def make_under_limits(product: str, folder: Path) -> None:
    """Files may grow to so many bytes and no further: first to none, then to a little more each time."""
    name, make = PRODUCTS[product]
    make(folder / name, 1)
    for exponent in count():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**exponent, resource.RLIM_INFINITY))
        try:
            make(folder / name, 2)
        except ProductError:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**exponent, resource.RLIM_INFINITY))
            assert_refused(folder, make, folder / name, "file too large", "ulimit -f")
        else:
            assert exponent > 5
            return


@every_product
def test_a_limit_on_the_size_of_files(product: str, tmp_path: Path) -> None:
    assert in_child(make_under_limits, product, tmp_path) == 0
    name, make = PRODUCTS[product]
    (tmp_path / "again").mkdir()
    make(tmp_path / "again" / name, 2)
    assert contents(tmp_path / "again") == {name: each for name, each in contents(tmp_path).items() if name != "again"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system; the limits above do the same by other means")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, free: int) -> None:
    """Leave so many bytes."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    size = shutil.disk_usage(disk).free - free
    filler.write_bytes(bytes(size))
    assert shutil.disk_usage(disk).free == free


@every_product
def test_a_full_disk(product: str, disk: Path) -> None:
    """A page more is free each time, so that the disk is full at the model, at its data and at its report."""
    name, make = PRODUCTS[product]
    make(disk / name, 1)
    failures = 0
    for pages in count():
        fill(disk, pages * resource.getpagesize())
        try:
            make(disk / name, 2)
        except ProductError:
            assert_refused(disk, make, disk / name, "no space left on device", "free some space")
            failures += 1
        else:
            break
    assert failures >= 2
    assert not [each for each in contents(disk) if each.startswith(".")]


# --- a kill ---


def export_in_steps(path: Path, external_data: bool, call: Callable[[int], None]) -> None:
    compiled = network(TINY)
    steps = Steps(path.parent, call)
    vggc.export_onnx(compiled, path, seed=2, external_data=external_data, progress=steps.step)


def export_and_watch(path: Path, external_data: bool, telling: Path) -> None:
    """Write down the steps before which the folder was not as before the step before: where a kill leaves something
    else."""
    found: list[int] = []
    last: list[object] = [None]

    def look(n: int) -> None:
        if last != [everything(path.parent)]:
            last[:] = [everything(path.parent)]
            found.append(n)

    export_in_steps(path, external_data, look)
    telling.write_text(json.dumps(found))


def export_and_die(path: Path, external_data: bool, step: int) -> None:
    export_in_steps(path, external_data, lambda n: die() if n == step else None)


def verified(path: Path) -> bool:
    return vggc.verify_onnx(path).verdict == "verified"


@pytest.mark.parametrize(
    ("old", "new"),
    [("data", "data"), ("data", "inside"), ("nothing", "data")],
)
def test_a_kill_at_every_step_of_an_export(old: str, new: str, tmp_path: Path) -> None:
    """Before the one step that counts everything is the old model's, and after it everything is the new one's."""
    for seed, kind in ((1, old), (2, new)):
        (tmp_path / str(seed)).mkdir()
        if kind != "nothing":
            export(tmp_path / str(seed) / "x.onnx", seed, kind == "data")
    before, after = contents(tmp_path / "1"), contents(tmp_path / "2")
    shutil.copytree(tmp_path / "1", tmp_path / "whole")
    assert in_child(export_and_watch, tmp_path / "whole" / "x.onnx", new == "data", tmp_path / "steps") == 0
    assert contents(tmp_path / "whole") == after
    steps = json.loads((tmp_path / "steps").read_text())
    moments = set()
    for step in steps:
        folder = tmp_path / f"killed before {step}"
        shutil.copytree(tmp_path / "1", folder)
        assert in_child(export_and_die, folder / "x.onnx", new == "data", step) == KILLED
        assert_whole(folder, before, after)
        left = contents(folder)
        moments.add((left.get("x.onnx") == after["x.onnx"], "x.onnx.json" in left))
        export(folder / "x.onnx", 2, new == "data")
        assert contents(folder) == after
    # Before the switch with the old report, without one, after it without one, and with the new one.
    assert moments >= {(False, False), (True, False)}
    assert (False, True) in moments or old == "nothing"


def make_in_steps(product: str, path: Path, call: Callable[[int], None]) -> None:
    Steps(path.parent, call)
    PRODUCTS[product][1](path, 2)


def make_and_count(product: str, path: Path, telling: Path) -> None:
    def count_on(n: int) -> None:
        telling.write_text(str(n))

    make_in_steps(product, path, count_on)


def make_and_die(product: str, path: Path, step: int) -> None:
    make_in_steps(product, path, lambda n: die() if n == step else None)


@pytest.mark.parametrize("product", ["safetensors", "torch file", "text"])
def test_a_kill_at_every_step_of_a_single_file(product: str, tmp_path: Path) -> None:
    name, make = PRODUCTS[product]
    for folder in ("old", "new", "counted"):
        (tmp_path / folder).mkdir()
    make(tmp_path / "old" / name, 1)
    make(tmp_path / "new" / name, 2)
    assert in_child(make_and_count, product, tmp_path / "counted" / name, tmp_path / "last") == 0
    outcomes = set()
    for step in range(int((tmp_path / "last").read_text()) + 1):
        folder = tmp_path / f"killed before {step}"
        shutil.copytree(tmp_path / "old", folder)
        assert in_child(make_and_die, product, folder / name, step) == KILLED
        outcomes.add((folder / name).read_bytes())
        make(folder / name, 2)
        assert contents(folder) == contents(tmp_path / "new")
    assert outcomes == {(tmp_path / each / name).read_bytes() for each in ("old", "new")}


def everything(folder: Path) -> frozenset[tuple[str, bytes]]:
    """All files and folders below a folder, with the random parts of names left out."""
    return frozenset(
        (re.sub(r"(\.vggc\.)[^/]*", r"\1", str(each.relative_to(folder))), each.read_bytes() if each.is_file() else b"")
        for each in folder.rglob("*")
    )


def assert_whole(folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """The model is the old or the new one, and has its own data, and its own report or none."""
    left = contents(folder)
    model = left.get("x.onnx")
    expected = after if model == after["x.onnx"] else before
    assert model == expected.get("x.onnx")
    data = {name: each for name, each in expected.items() if name.endswith(".data")}
    assert {name: left.get(name) for name in data} == data
    if "x.onnx.json" in left:
        assert json.loads(left["x.onnx.json"])["sha256"] == hashlib.sha256(model or b"").hexdigest()
    if model is not None:
        assert verified(folder / "x.onnx")


def hold_a_staging_folder(target: Path, ready: Path, end: Path) -> None:
    with staging(target) as folder:
        (folder / "half").write_bytes(b"half")
        ready.write_text(str(folder))
        while not end.exists():
            time.sleep(0.01)


def test_the_folder_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    target, ready, end = tmp_path / "out" / "x.txt", tmp_path / "ready", tmp_path / "end"
    process = start(hold_a_staging_folder, target, ready, end)
    while not ready.exists() or not ready.read_text():
        assert process.is_alive()
    held = Path(ready.read_text())
    write_text(target, "new")
    assert (held / "half").read_bytes() == b"half"
    end.touch()
    process.join(60)
    assert process.exitcode == 0
    assert contents(target.parent) == {"x.txt": b"new"}


def test_the_folder_of_a_killed_process_goes_with_the_next_write(tmp_path: Path) -> None:
    target, ready = tmp_path / "out" / "x.txt", tmp_path / "ready"
    process = start(hold_a_staging_folder, target, ready, tmp_path / "never")
    while not ready.exists() or not ready.read_text():
        assert process.is_alive()
    process.kill()
    process.join()
    assert Path(ready.read_text()).is_dir()
    write_text(target.with_name("other.txt"), "new")
    assert contents(target.parent) == {"other.txt": b"new"}


def test_the_folder_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    """Some file systems do not show one machine the locks of another."""
    (tmp_path / ".vggc.00000000.abcdefgh").mkdir()
    write_text(tmp_path / "x.txt", "new")
    assert sorted(contents(tmp_path)) == [".vggc.00000000.abcdefgh", "x.txt"]


def export_again_and_again(path: Path, seed: int) -> None:
    for i in range(5):
        export(path, seed + 2 * i, external_data=True)


def test_two_processes_with_one_target(tmp_path: Path) -> None:
    processes = [start(export_again_and_again, tmp_path / "x.onnx", seed) for seed in (0, 1)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert verified(tmp_path / "x.onnx")
    assert len(contents(tmp_path)) == 3


# --- what cannot be replaced ---


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may reach; those of `tmp_path` lie in one that is closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def as_nobody(function: Callable[..., None], *arguments: object) -> None:
    """Root may write everywhere, so go on as a user who may not; what is imported late is imported before."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in PRODUCTS.values():
            make(Path(folder) / name, 1)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    function(*arguments)


def assert_products_refused(folder: Path, reason: str, way_out: str) -> None:
    for name, make in PRODUCTS.values():
        assert_refused(folder, make, folder / name, reason, way_out)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "reason", "way_out"),
    [
        (0o444, 0o777, "is read-only", "write elsewhere"),
        (0o666, 0o555, "permission denied", "write elsewhere"),
        # A shared folder, where nobody may replace another's file: seen when the model is moved, after its data.
        (0o666, 0o1777, "operation not permitted", "have the file's owner or attributes changed"),
    ],
)
def test_what_may_not_be_replaced(
    file_mode: int, folder_mode: int, reason: str, way_out: str, open_folder: Path
) -> None:
    for name in ("x.onnx", "x.safetensors", "x.pt", "x.txt"):
        (open_folder / name).write_bytes(b"old")
        (open_folder / name).chmod(file_mode)
    open_folder.chmod(folder_mode)
    if folder_mode == 0o1777 and os.geteuid() != 0:
        pytest.skip("only root can make files that belong to another user")
    assert in_child(as_nobody, assert_products_refused, open_folder, reason, way_out) == 0


@every_product
def test_a_read_only_file_system(product: str, disk: Path) -> None:
    name, make = PRODUCTS[product]
    (disk / name).write_bytes(b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert_refused(disk, make, disk / name, "read-only", "write elsewhere")
    assert_refused(disk, make, disk / f"new_{name}", "read-only file system", "write elsewhere")


def test_a_model_that_cannot_be_moved_gets_its_report_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_in_two(tmp_path / "x.onnx", 1)
    original = os.replace

    def replace(source: Path, target: Path) -> None:
        if target == tmp_path / "x.onnx":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert_refused(tmp_path, export_in_two, tmp_path / "x.onnx", "input/output error", "try again, or write elsewhere")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert_refused(tmp_path, export, tmp_path / f"{'x' * 250}.onnx", "file name too long", "choose a shorter name")


def test_a_folder_in_the_place_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "x.onnx.json").mkdir()
    with pytest.raises(ProductError, match="the place of the report, is a folder; write elsewhere"):
        export(tmp_path / "x.onnx", 1)
    assert contents(tmp_path) == {"x.onnx.json": b"folder"}


def test_a_link_and_a_model_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.onnx").write_bytes(b"old")
    (tmp_path / "x.onnx").symlink_to("real/x.onnx")
    with pytest.raises(ProductError, match=r"is a link, .*; name the file itself: .*real/x\.onnx"):
        export_in_two(tmp_path / "x.onnx", 1)
    assert contents(tmp_path / "real") == {"x.onnx": b"old"}


@pytest.mark.parametrize("through", ["link.onnx", "elsewhere/link.onnx"])
def test_an_export_through_a_link_is_one_of_the_file_itself(through: str, tmp_path: Path) -> None:
    """Its report names the new model, its old data goes, and nothing lies beside the link."""
    for name in ("elsewhere", "expected"):
        (tmp_path / name).mkdir()
    export(tmp_path / "expected" / "x.onnx", 2)
    export_in_two(tmp_path / "x.onnx", 1)
    link = tmp_path / through
    link.symlink_to(tmp_path / "x.onnx")
    export(link, 2)
    assert link.is_symlink()
    left = {each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file() and not each.is_symlink()}
    assert left == contents(tmp_path / "expected")
    assert not link.with_name("link.onnx.json").exists()


def test_a_link_that_leads_to_itself_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").symlink_to("x.onnx")
    export(tmp_path / "x.onnx", 1)
    assert verified(tmp_path / "x.onnx")
    assert sorted(contents(tmp_path)) == ["x.onnx", "x.onnx.json"]


def test_a_folder_in_the_place_of_the_report_of_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "x.onnx.json").mkdir()
    (tmp_path / "link.onnx").symlink_to("x.onnx")
    with pytest.raises(ProductError, match=r"x\.onnx\.json, the place of the report, is a folder"):
        export(tmp_path / "link.onnx", 1)


def test_data_of_an_older_export_goes_and_that_of_others_stays(tmp_path: Path) -> None:
    for name in ("x.onnx.data", "y.onnx.0123456789ab.data", "x.onnx.0123456789ab.data.bak"):
        (tmp_path / name).write_bytes(b"theirs")
    export_in_two(tmp_path / "x.onnx", 1)
    export_in_two(tmp_path / "x.onnx", 2)
    export(tmp_path / "x.onnx", 3)
    assert sorted(contents(tmp_path)) == [
        "x.onnx", "x.onnx.0123456789ab.data.bak", "x.onnx.data", "x.onnx.json", "y.onnx.0123456789ab.data",
    ]  # fmt: skip


# --- 3 GiB ---

HUGE: Final = """\
vggc: 1
name: huge
input: [3, 100, 100]
classes: 10
features: [identity]
classifier: [{linear: 26000}, relu, {linear: classes}]
"""


def peak_of_an_export(path: Path, peak: "multiprocessing.Queue[int]") -> None:
    compiled = network(HUGE)
    vggc.export_onnx(compiled, path)
    peak.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


@pytest.mark.skipif("VGGC_SLOW" not in os.environ, reason="a minute, 3 GiB on disk and 10 GiB of memory; VGGC_SLOW=1")
def test_a_model_of_three_gibibytes(tmp_path: Path) -> None:
    """Above 2 GiB the weights go to their own file unasked; the peak is three times the weights: the module, the
    session, and the control's perturbed layer."""
    size = network(HUGE).weight_bytes
    assert size > 2**31
    peak = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=peak_of_an_export, args=(tmp_path / "x.onnx", peak))
    process.start()
    assert peak.get(timeout=300) < 3.2 * size
    process.join()
    assert verified(tmp_path / "x.onnx")
    (data,) = tmp_path.glob("*.data")
    assert data.stat().st_size >= size
