"""What the documentation says is run: docstring examples, README, and the names that are promised."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spikecut
from spikecut.pipeline.rules import RULES
from spikecut.tools.commands import COMMANDS

ROOT = Path(__file__).parent.parent
FOUND = pkgutil.walk_packages(spikecut.__path__, "spikecut.")
MODULES = sorted(module.name for module in FOUND if not module.name.endswith("__main__"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_the_documented_examples_are_found() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert found > 15


def test_every_module_says_what_it_is_for() -> None:
    for name in MODULES:
        first = (importlib.import_module(name).__doc__ or "").split("\n")[0]
        assert len(first) > 15, name


def test_the_readme_s_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_the_page_on_python_runs_from_top_to_bottom_and_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    page = (ROOT / "docs" / "python.md").read_text()
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == page.count("```python") >= 8
    names: dict[str, object] = {}
    for code, shown in blocks:
        exec(compile(code, "docs/python.md", "exec"), names)
        assert capsys.readouterr() == (shown, "")


def test_every_command_is_on_its_page_and_has_at_least_two_examples() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    for name, kind in COMMANDS.items():
        assert f"`spikecut {name}" in page
        assert len(re.findall(rf"\$ spikecut {name}\b", kind.__doc__ or "")) >= 2


def test_the_table_of_rules_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "choosing-a-rule.md").read_text()
    table = page[page.index("| rules | promise |") :].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(RULES)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there_without_loading_torch_or_opencv(command: str) -> None:
    code = (
        "import sys\nfrom spikecut.tools.cli import main\n"
        f"try:\n    main({[*([command] if command else []), '--help']!r})\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'cv2', 'av', 'tonic', 'norse', 'h5py', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"spikecut {command}".strip() in done.stdout
    assert "{None}" not in done.stdout


@pytest.mark.parametrize("folder", ["pipeline", "sources", "models", "tools"])
def test_the_package_is_reached_through_its_links(folder: str) -> None:
    link = ROOT / "src" / "spikecut" / folder
    assert link.is_symlink()
    assert link.resolve() == (ROOT / folder).resolve()


def test_no_module_bears_the_name_of_a_standard_one() -> None:
    for name in MODULES:
        assert name.rsplit(".", 1)[1] not in sys.stdlib_module_names


def test_the_core_loads_without_torch_opencv_tonic_or_hdf5() -> None:
    names = [name for name in MODULES if name.startswith("spikecut.pipeline")]
    code = (
        f"import sys\nfor name in {names!r}:\n    __import__(name)\n"
        "assert not {'torch', 'norse', 'cv2', 'av', 'tonic', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there_and_at_home_in_one_module() -> None:
    for name in spikecut.__all__:
        assert getattr(spikecut, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        spikecut.nonsense  # noqa: B018


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    """By links, however many; the decisions of `docs/adr` as a folder."""
    todo, reached = [ROOT / "docs" / "index.md"], set[Path]()
    while todo:
        page = todo.pop().resolve()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        todo += [page.parent / link for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())]
    pages = {page.resolve() for page in PAGES if page.parent.name != "adr"}
    assert pages - reached == set()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
