"""A process that is told to end does so with the exit code of the signal, and with everything tidied up."""

import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from vggc.base.scratch import scratch_folder
from vggc.base.signals import exit_on_signal, signal_first, signals_as_exceptions, uninterrupted

SIGNALS = {"SIGTERM": SystemExit, "SIGHUP": SystemExit, "SIGINT": KeyboardInterrupt}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_comes_out_as_an_exception(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(SIGNALS[name]) as ended, signals_as_exceptions():
        signal.raise_signal(number)
    assert ended.value.args == (() if name == "SIGINT" else (128 + number,))
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("name", SIGNALS)
def test_another_exception_in_its_place_is_still_the_signal(name: str) -> None:
    """As when torch's stack of modes is left in disorder: its own complaint would be called a bug in vggc."""

    def work() -> None:
        try:
            signal.raise_signal(getattr(signal, name))
        finally:
            raise RuntimeError("trying to pop from empty mode stack")

    with pytest.raises(SIGNALS[name]), signals_as_exceptions():
        work()


def test_what_fails_by_itself_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="by itself"), signals_as_exceptions(), signal_first():
        raise RuntimeError("by itself")


def test_a_signal_whose_exception_is_dropped_is_raised_again() -> None:
    """Python prints what the callback of a weak reference raises, and would go on to the end of the work."""

    class Watched:
        pass

    def work() -> None:
        watched = Watched()
        reference = weakref.ref(watched, lambda _: signal.raise_signal(signal.SIGTERM))
        del watched
        assert reference() is None
        time.sleep(10)

    began = time.monotonic()
    with pytest.raises(SystemExit), signals_as_exceptions():
        work()
    assert time.monotonic() - began < 5


def test_a_signal_waits_for_the_end_of_a_block() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            with uninterrupted():
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("after")

    with pytest.raises(SystemExit), signals_as_exceptions():
        work()
    assert done == ["inner", "outer"]


def test_a_second_signal_does_not_break_off_the_tidying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = shutil.rmtree

    def remove_under_signals(folder: Path, *, ignore_errors: bool) -> None:
        signal.raise_signal(signal.SIGTERM)
        remove(folder, ignore_errors=ignore_errors)

    def work() -> None:
        with scratch_folder(tmp_path) as folder:
            (folder / "half").touch()
            monkeypatch.setattr(shutil, "rmtree", remove_under_signals)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit), signals_as_exceptions():
        work()
    assert list(tmp_path.iterdir()) == []


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with signals_as_exceptions(), uninterrupted():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(sys.platform != "linux", reason="how a lock is taken from C")
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_what_waits_in_foreign_code(name: str) -> None:
    """A lock that is taken twice: nothing wakes that, and Python's handler never runs."""
    program = (
        "import ctypes\n"
        "from vggc.base.signals import exit_on_signal, signals_as_exceptions\n"
        "lock, c = ctypes.create_string_buffer(64), ctypes.CDLL(None)\n"
        "with signals_as_exceptions(), exit_on_signal(lambda: print('tidied', flush=True)):\n"
        "    c.pthread_mutex_lock(lock)\n"
        "    print('waiting', flush=True)\n"
        "    c.pthread_mutex_lock(lock)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.1)  # until it waits
        process.send_signal(getattr(signal, name))
        assert process.communicate(timeout=30)[0] == "tidied\n"
    assert process.returncode == 128 + getattr(signal, name)


def test_a_block_without_a_signal_leaves_everything_as_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with exit_on_signal(lambda: None):
        pass
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_hang_up_is_ignored_under_nohup(tmp_path: Path) -> None:
    """A process that was started to ignore a signal goes on ignoring it."""
    program = (
        "import signal\n"
        "from vggc.base.signals import signals_as_exceptions\n"
        "with signals_as_exceptions():\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        "    print('went on')\n"
    )
    command = ["nohup", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "went on\n")
