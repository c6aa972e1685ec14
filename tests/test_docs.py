"""The pages are true: every YAML block compiles, every quoted error is what vggc prints, no generated page is stale."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import docs.console as console
import docs.reference as reference
from tests.networks import compile_source
from vggc import cli
from vggc.base.codes import CODES
from vggc.base.diagnostics import Source
from vggc.base.version import __version__
from vggc.frontend.text.sources import stock_names
from vggc.model import Network
from vggc.weights.key_matching import read_key_map

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if not path.name.endswith(".in.md")),
]
ROOT_PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
OF_OTHER_TOOLS = ("hook", "workflow")  # kinds of YAML blocks; tests/test_ci.py tests them
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Block = tuple[str, str, str, str]


def blocks(*languages: str) -> list[Block]:
    """(place, language, kind, text) of the fenced blocks of all pages."""
    result = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if match[1] in languages:
                place = f"{page}:{text.count(chr(10), 0, match.start()) + 1}"
                result.append((place, match[1], match[2] or "", match[3]))
    return result


def compiled(text: str) -> Network:
    return compile_source(Source("block.yaml", text))


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block[0])
def test_every_yaml_block_compiles(block: Block, tmp_path: Path) -> None:
    _, _, kind, text = block
    head = "vggc: 1\nname: block\ninput: [16, 16, 16]\nclasses: 10\n"
    if kind == "":
        compiled(text)
    elif kind == "fragment":
        compiled(head + "features: [8, M]\nclassifier: [{linear: classes}]\n" + text)
    elif kind == "item":
        flat = text.startswith(("- linear", "- fc"))
        features = "features:\n" + ("- 8\n- flatten\n" if flat else "") + text + "classifier: none\n"
        compiled(head + features)
    elif kind == "modeline":
        compiled(f"{text}{head}features: [8]\nclassifier: none\n")
        assert all((ROOT / f"specs/{name}.yaml").read_text(encoding="utf-8").startswith(text) for name in stock_names())
    elif kind == "map":
        (tmp_path / "map.yaml").write_text(text)
        assert read_key_map(tmp_path / "map.yaml")
    else:
        assert kind in ("invalid", *OF_OTHER_TOOLS)


@pytest.mark.parametrize(
    "place", [i for i, block in enumerate(blocks("yaml", "text")) if block[2] == "invalid"], ids=str
)
def test_every_shown_error_is_the_one_printed(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, quoted = blocks("yaml", "text")[place : place + 2]
    name = re.search(r"--> ([\w-]+\.yaml):", quoted[3])
    assert name is not None
    (tmp_path / name[1]).write_text(spec[3], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["check", name[1]])
    assert capsys.readouterr().err == quoted[3]


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block[0])
def test_every_python_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The blocks name vgg16; a small network in its place is quick enough for a test.
    exec(block[3].replace('"vgg16", overrides={', '"vgg11", overrides={"width": 0.125, '), {})


@pytest.mark.parametrize("page", console.PAGES)
def test_every_shown_answer_is_the_one_printed(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert console.without_measurements(console.answered(text, tmp_path)) == console.without_measurements(text)


def _generated() -> list[tuple[str, str]]:
    return [
        ("language.md", reference.language()),
        ("errors.md", reference.errors()),
        ("bad-inputs.md", reference.bad_inputs()),
    ]


def test_the_generated_pages_are_current() -> None:
    for name, text in _generated():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"docs/{name}: run python docs/reference.py"


def test_every_code_is_used_and_every_used_code_is_explained() -> None:
    used = {code for path in (ROOT / "vggc").rglob("*.py") if path.name != "codes.py"
            for code in re.findall(r'"([EW]\d{3})"', path.read_text(encoding="utf-8"))}  # fmt: skip
    assert used == set(CODES)


def _anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as a repository's web view forms them."""
    headings = (line.lstrip("# ") for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", path.read_text(encoding="utf-8")):
        linked = path.parent / target if target else path
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), f"{target}#{anchor}"


def test_a_site_is_built_that_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, text=True, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    pages = {str(path.relative_to(tmp_path)): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    assert {"index.html", "tutorial/index.html", "CHANGELOG/index.html"} < set(pages)
    remote = re.compile(r"<(?:link|script|img|iframe)[^>]+(?:href|src)=\"?(?:https?:)?//[^ >]*")
    for name, text in pages.items():
        assert not remote.findall(text), name
        assert "<!--" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL), name
    for style in tmp_path.rglob("*.css"):
        assert not re.findall(r"url\(\"?(?:https?:)?//", style.read_text(encoding="utf-8")), style
    assert (tmp_path / "exports" / "vgg16" / "vgg16.svg").is_file()
    assert not list(tmp_path.rglob("*.py")), "hooks and generators are no pages"


def test_the_refusal_that_the_page_on_onnx_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["export", "vgg16", "--onnx", "--dynamic-hw", "-o", str(tmp_path / "x.onnx")])
    assert capsys.readouterr().err in [block[3] for block in blocks("text")]


def test_the_citation_has_the_keys_that_its_format_demands() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert (citation["title"], citation["version"], citation["license"]) == ("vggc", __version__, "Apache-2.0")
    assert all(author.keys() <= {"name", "alias", "website"} and author["name"] for author in citation["authors"])


def test_the_root_pages_name_no_host() -> None:
    """Where vggc is published may change, and a copy of the repository must be right wherever it is."""
    for name in [*ROOT_PAGES, "CITATION.cff"]:
        assert not re.search(r"https?://|\bwww\.", (ROOT / name).read_text(encoding="utf-8")), name


def _architecture() -> str:
    return (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_on_architecture_names_files_that_exist() -> None:
    named = set(re.findall(r"`((?:vggc|tests)/[\w./]*)`", _architecture()))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_page_on_architecture_names_tables_that_exist() -> None:
    """A row of the table "Where to add what" names the table that the new thing goes into."""
    for line in _architecture().splitlines():
        if line.startswith("| a") and re.search(r"`[A-Z_]{4,}`", line):
            tables = re.findall(r"`([A-Z_]{4,})`", line)
            texts = [text for path in re.findall(r"`(vggc/[\w./]*)`", line) for text in _texts(ROOT / path)]
            texts += _texts(ROOT / "vggc/base/codes.py")
            assert all(any(re.search(f"^{table}\\b", text, re.MULTILINE) for text in texts) for table in tables), line


def _texts(path: Path) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in ([path] if path.is_file() else path.glob("*.py"))]


def test_the_page_on_architecture_has_the_packages_of_the_contract() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| ", _architecture(), re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract for contract in contracts if contract["containers"] == ["vggc"])["layers"]
    expected = {(str(len(layers) - i), name) for i, layer in enumerate(layers) for name in re.findall(r"\w+", layer)}
    assert set(rows) == expected
