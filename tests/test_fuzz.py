"""A few of the damaged files of `make fuzz`, in this process; and the fuzzer notices what it is to notice."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from fuzz import report
from fuzz.checks import Reading
from fuzz.expectations import EXPECTED
from fuzz.judging import judged
from fuzz.mutators import KINDS, Damage, Mutant, mutant_of, rng_of
from fuzz.subjects import Subject, subjects
from fuzz.supervising import tallied
from fuzz.worker import made, outcome_of, whole_readings

from spikecut.sources.formats import FORMATS

EACH = 12
SLOW = ("weights", "video")  # a network is built, a codec is opened: `make fuzz` has them


@pytest.fixture(scope="module")
def groups() -> dict[str, list[Subject]]:
    return subjects()


def test_every_format_is_fuzzed(groups: dict[str, list[Subject]]) -> None:
    assert {name for name, row in FORMATS.items() if not row.simulated} <= groups.keys()


def test_damaged_files_are_refused_reported_or_as_whole_as_before(groups: dict[str, list[Subject]]) -> None:
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        for group in (group for name, group in groups.items() if name not in SLOW):
            wholes = whole_readings(group, Path(folder))
            assert not [one for one in wholes if one.refused or one.causes]
            lines = [outcome_of(group, wholes, 77, index, Path(folder)) for index in range(EACH)]
            findings += [line for line in lines if line["outcome"] == "finding"]
    assert not findings


def test_a_mutant_is_the_same_each_time(groups: dict[str, list[Subject]]) -> None:
    for group in groups.values():
        assert made(group, 5, 9) == made(group, 5, 9)


def test_what_was_damaged_is_recorded() -> None:
    data = bytes(range(250)) * 4
    seen = set()
    for index in range(300):
        mutant = mutant_of(data, rng_of("x", 1, index))
        seen.add(mutant.kind)
        if len(mutant.damage) == 1:
            (fault,) = mutant.damage
            assert mutant.data[: fault.at] == data[: fault.at]
            grown = fault.added - fault.length if fault.kind in ("truncate", "delete", "insert", "duplicate") else 0
            assert len(mutant.data) == len(data) + grown
    assert seen == {*KINDS, "several"}


def test_damage_that_a_format_can_show_and_nothing_reports_is_a_finding() -> None:
    subject = Subject("atis", "made", ".bin", bytes(50), body=0)
    whole, other = Reading(digest="a"), Reading(digest="b")
    cut = Mutant(bytes(43), (Damage("truncate", 43, 7),))
    assert judged(subject, cut, whole, other)[0] == "finding"
    assert judged(subject, cut, whole, replace(other, causes=("cut_off",)))[0] == "reported"
    assert judged(subject, cut, whole, replace(other, causes=("late",)))[0] == "finding"
    assert judged(subject, cut, whole, Reading(refused="CorruptRecording"))[0] == "refused"
    assert judged(subject, Mutant(bytes(45), (Damage("truncate", 45, 5),)), whole, other)[0] == "invisible"
    packets = replace(subject, group="aedat3", borders=frozenset({0, 20, 50}))
    assert judged(packets, Mutant(bytes(20), (Damage("truncate", 20, 30),)), whole, other)[0] == "invisible"
    assert judged(packets, Mutant(bytes(21), (Damage("truncate", 21, 29),)), whole, other)[0] == "finding"
    assert all({*KINDS} <= rules.keys() for rules in EXPECTED.values())


def test_the_table_keeps_the_rows_of_groups_that_did_not_run() -> None:
    rows = {"aedat2": [1_200, 200, 1_000, 0, 0, 0], "text": [7, 1, 2, 3, 1, 0]}
    assert report.rows_in(report.table(rows, 3)) == rows
    assert "1,207 damaged files, 0 findings" in report.table(rows, 3)


@pytest.mark.slow
def test_a_child_that_hangs_crashes_or_swells_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKECUT_FUZZ_PLANT", "3:hang 5:crash 7:swell")
    monkeypatch.setattr("fuzz.supervising.SECONDS_EACH", 8.0)
    tally = tallied("pickles", 0, 10, 120)
    assert tally.n == 10
    planted = {one["index"]: one["why"] for one in tally.findings}
    assert planted.keys() == {3, 5, 7}
    assert planted[3] == "no end after 8 s"
    assert planted[5] == "ended by SIGSEGV"
    assert "MB of memory" in planted[7]
