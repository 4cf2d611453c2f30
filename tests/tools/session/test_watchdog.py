"""Truths about the watchdog: it names the stage that takes long, once, and not one that waits for its time."""

import time
from collections.abc import Iterator

import pytest

from spikecut.tools.session.watchdog import Lane, watching


def test_a_stalled_stage_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    lane, other = Lane(), Lane()
    with watching((other, lane), limit_s=0.05):
        lane.enter("the view Window")
        time.sleep(0.2)
        lane.enter("the network")
    assert capsys.readouterr().err == "note: the view Window has taken more than 0.05 s\n"


def test_waiting_is_no_stall(capsys: pytest.CaptureFixture[str]) -> None:
    lane = Lane()
    with watching((lane,), limit_s=0.05):
        for _ in lane.over(range(2), None, "the network"):
            pass
        time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_the_stages_of_a_stream_are_reading_and_handling() -> None:
    lane, stages = Lane(), list[str | None]()

    def numbers() -> Iterator[int]:
        for number in range(2):
            stages.append(lane.stage)
            yield number

    for _ in lane.over(numbers(), "reading", "the network"):
        stages.append(lane.stage)
    assert stages == ["reading", "the network"] * 2
    assert lane.stage is None


@pytest.mark.parametrize("is_excused", [False, True])
def test_a_wait_that_may_be_the_end_is_named_once_it_was_none(
    is_excused: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = Lane(excused=lambda: is_excused)
    with watching((lane,), limit_s=0.05):
        lane.enter("waiting for datagrams")
        time.sleep(0.2)
        assert capsys.readouterr().err == ""
        lane.enter(None)
        time.sleep(0.2)
    note = "note: waiting for datagrams has taken more than 0.05 s\n"
    assert capsys.readouterr().err == ("" if is_excused else note)
