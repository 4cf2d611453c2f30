"""The list of planted bugs fits the code as it stands, and the runner tells a noticed bug from one that is not."""

from pathlib import Path

import pytest

from planted_bugs import _PROCESSES, Bug, copied, listed, misplaced, planted, tried

ROOMS = ("pipeline/", "models/", "sources/")


def test_the_list_holds_at_least_sixty_bugs_in_all_three_rooms_and_no_name_twice() -> None:
    bugs = listed()
    assert len(bugs) >= 60
    assert len({bug.name for bug in bugs}) == len(bugs)
    assert {room for room in ROOMS if any(bug.file.startswith(room) for bug in bugs)} == set(ROOMS)


@pytest.mark.parametrize("bug", listed(), ids=lambda bug: bug.name)
def test_every_bug_can_be_planted_in_exactly_one_place_and_names_tests_that_exist(bug: Bug) -> None:
    assert misplaced(bug) == ""


def test_a_bug_that_no_longer_fits_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("a = 1\nb = 1\n")
    (tmp_path / "test_code.py").write_text("")
    fits = Bug("wrong", "code.py", "a = 1", "a = 2", ("test_code.py::test_a",))
    assert misplaced(fits, tmp_path) == ""
    assert planted("a = 1\nb = 1\n", fits) == "a = 2\nb = 1\n"
    for other, reason in (
        (Bug("wrong", "gone.py", "a", "b", fits.tests), "there is no file gone.py"),
        (Bug("wrong", "code.py", "= 1", "= 2", fits.tests), "stands 2 times"),
        (Bug("wrong", "code.py", "a = 1", "a = 1", fits.tests), "changes nothing"),
        (Bug("wrong", "code.py", "a = 1", "a = 2", ("test_gone.py",)), "there is no test_gone.py"),
        (Bug("wrong", "code.py", "a = 1", "a = 2", ()), "names no test"),
    ):
        assert reason in misplaced(other, tmp_path)


def test_a_bug_counts_as_noticed_where_a_test_fails_and_not_where_nothing_can_be_imported(tmp_path: Path) -> None:
    _PROCESSES.set_forkserver_preload(["pytest"])  # nothing else is needed here
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code_of_mine.py").write_text("A, B = 1, 1\n")
    (tmp_path / "test_code.py").write_text("from code_of_mine import A\n\n\ndef test_a() -> None:\n    assert A == 1\n")

    def noticed(old: str, new: str) -> bool:
        (test,) = tried([tmp_path], [Bug("wrong", "src/code_of_mine.py", old, new, ("test_code.py",))])
        return bool(test)

    assert noticed("A, B = 1, 1", "A, B = 2, 1")
    assert not noticed("A, B = 1, 1", "A, B = 1, 2")
    assert not noticed("A, B = 1, 1", "B = 1")
    assert (tmp_path / "src" / "code_of_mine.py").read_text() == "A, B = 1, 1\n"


def test_the_copy_holds_what_lies_in_the_working_tree_with_its_links(tmp_path: Path) -> None:
    copy = copied(tmp_path)
    assert (copy / "src" / "spikecut" / "pipeline").is_symlink()
    assert (copy / "tests" / "planted_bugs.toml").read_text() == Path(__file__).with_name(
        "planted_bugs.toml"
    ).read_text()
    assert not (copy / ".git").exists()
