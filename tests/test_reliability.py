"""docs/reliability.md names a test for every row of the list of faults, and all of them exist."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
COUNTS = {"C": 17, "T": 8, "G": 7, "S": 8, "N": 2, "L": 2, "M": 3, "B": 2, "O": 2, "X": 18}
FAULTS = [f"{letter}{number:02d}" for letter, count in COUNTS.items() for number in range(1, count + 1)]


def rows() -> dict[str, list[tuple[str, str]]]:
    """The tests of each fault, as path and name."""
    lines = [re.match(r"\| ([A-Z]\d\d): [^|]+ \| ([^|]+) \|$", line) for line in PAGE.splitlines()]
    return {line[1]: re.findall(r"`([\w/]+\.py)::(\w+)`", line[2]) for line in lines if line}


def names_of_tests(path: Path) -> set[str]:
    """The tests of a file, which is not imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_fault_has_one_row_with_a_test() -> None:
    assert sorted(rows()) == sorted(FAULTS)
    for fault in FAULTS:
        assert PAGE.count(f"| {fault}: ") == 1
        assert rows()[fault], fault


def test_every_test_in_the_list_of_faults_exists() -> None:
    for fault, named in rows().items():
        for path, name in named:
            assert name in names_of_tests(TESTS / path), f"{fault}: {path}::{name}"


def test_every_test_in_the_folder_of_faults_is_in_the_list() -> None:
    named = {one for tests in rows().values() for one in tests}
    for path in sorted((TESTS / "reliability").glob("test_*.py")):
        for name in names_of_tests(path):
            assert (f"reliability/{path.name}", name) in named
