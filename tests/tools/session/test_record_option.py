"""Truths about --record: what the loop was given is kept whole, and plays again to the same decisions."""

import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from spikecut.pipeline.results import Item
from spikecut.sources.live.bin_file import MAGIC, BinFile, BinWriter
from spikecut.sources.live.bin_queue import BinQueue
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.pacing import WallClock
from spikecut.sources.live.playing import Bin, Player
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.session.summarising import Report


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_session(tmp_path_factory.mktemp("session"), DrawnSession(24, "natural", order=(3, 0), quick=True))


@pytest.fixture(scope="module")
def kept(session: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session as bins."""
    file = tmp_path_factory.mktemp("kept") / "session.bins"
    assert main(["run", str(session), "--record", str(file)]) == 0
    return file


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The decisions of a run in JSON, and its summary."""
    capsys.readouterr()
    code = main(["run", *words, "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    summary: dict[str, Any] = lines[-1]["summary"]
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())
    return [line for line in lines if "label" in line], summary | {"code": code}


def test_bins_play_to_the_same_decisions_and_the_same_score(
    session: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions, summary = printed(capsys, str(session))
    assert decisions, "the network names gestures in this session"
    assert printed(capsys, str(kept)) == (decisions, summary)


def test_a_pace_does_not_change_what_was_kept(session: Path, kept: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bins"
    assert main(["run", str(session), "--speed", "200", "--window", "off", "--record", str(again)]) == 0
    assert again.read_bytes() == kept.read_bytes()


def test_what_a_slow_loop_was_given_is_kept_with_its_gaps(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, n_items = Report.write, [0]

    def late(report: Report, item: Item) -> None:
        n_items[0] += 1
        if n_items[0] % 20 == 0:
            import time

            time.sleep(0.02)
        write(report, item)

    file = tmp_path / "gaps.bins"
    words = (str(session), "--speed", "100", "--window", "off", "--when-full", "drop-oldest", "--queue", "2")
    with monkeypatch.context() as slow:
        slow.setattr(Report, "write", late)
        decisions, summary = printed(capsys, *words, "--record", str(file))
    dropped = summary["dropped"]["queue_full"]
    assert dropped > 0, "a loop that sleeps 20 ms where bins come every 0.2 ms drops some"
    again, summary_again = printed(capsys, str(file))
    assert again == decisions
    assert summary_again["dropped"]["queue_full"] <= dropped  # those behind the last bin that was given are not in it
    assert summary_again["used"] == summary["used"]


def test_seconds_can_be_chosen(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step_us = BinFile.open(kept).origin.step_us
    frames = list(BinFile.open(kept).frames())
    some = list(BinFile.open(kept).frames(start_us=1_000_000, duration_us=500_000))
    assert len(some) == 500_000 // step_us
    assert some[0].start_us - frames[0].start_us == 1_000_000
    _, summary = printed(capsys, str(kept), "--start", "1", "--duration", "0.5", "--speed", "500")
    assert summary["used"] == sum(frame.n_events for frame in some)


def test_a_file_that_was_cut_off_plays_up_to_its_last_whole_bin(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.bins"
    cut.write_bytes(kept.read_bytes()[:-7])
    whole, rest = list(BinFile.open(kept).frames()), list(BinFile.open(cut).frames())
    assert [frame.n_events for frame in rest] == [frame.n_events for frame in whole[:-1]]
    assert rest[-1].lost.events_by_cause() == {"cut_off": 1}
    assert main(["run", str(cut)]) == 3
    assert main(["run", str(cut), "--on-damage", "refuse"]) == 4
    assert "no whole bin follows" in capsys.readouterr().err


def test_hostile_blocks_end_in_one_sentence(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = kept.read_bytes()
    hostile = tmp_path / "hostile.bins"
    for damaged in (MAGIC, MAGIC + content[20:], MAGIC + bytes(8), MAGIC + b"\xff" * 40):
        hostile.write_bytes(damaged)
        assert main(["run", str(hostile)]) == 4, damaged[:40]
        assert "damaged" in capsys.readouterr().err
    bomb = zlib.compress(bytes(2**24))
    hostile.write_bytes(content[: len(content) // 2] + bomb)
    assert main(["run", str(hostile)]) == 3, "what does not fit the frame is not unpacked"


def test_another_network_and_options_of_other_files_are_refused(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(kept), "--model", "nmnist"]) == 4
    assert "--model gestures" in capsys.readouterr().err
    assert main(["run", str(kept), "--filter", "noise:5ms"]) == 2
    assert "does not apply" in capsys.readouterr().err
    assert main(["run", str(kept), "--max-gap", "1"]) == 2


def test_a_file_that_is_there_stays_and_bins_have_their_own_suffix(
    session: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = kept.read_bytes()
    assert main(["run", str(session), "--record", str(kept)]) == 2
    assert kept.read_bytes() == before
    assert main(["run", str(session), "--record", "events.aedat"]) == 2
    assert ".bins" in capsys.readouterr().err


def test_an_interrupted_run_leaves_a_whole_file(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, n_items = Report.write, [0]

    def interrupted(report: Report, item: Item) -> None:
        n_items[0] += 1
        if n_items[0] == 50:
            raise KeyboardInterrupt
        write(report, item)

    file = tmp_path / "interrupted.bins"
    with monkeypatch.context() as cut:
        cut.setattr(Report, "write", interrupted)
        assert main(["run", str(session), "--record", str(file)]) == 130
    assert f"-> {file}" in capsys.readouterr().err
    assert len(list(BinFile.open(file).frames())) >= 45  # some items are decisions


def test_a_part_of_a_session_plays_again_without_faults(session: Path, tmp_path: Path) -> None:
    file = tmp_path / "part.bins"
    assert main(["run", str(session), "--once", "--record", str(file)]) == 0
    assert main(["run", str(file)]) == 0


@pytest.mark.parametrize("model", ["evil.py", "/tmp/evil.py", "../weights", "gestures.safetensors"])
def test_the_name_of_a_network_in_a_file_is_never_a_path(
    model: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A foreign file must not choose what code is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n")
    file = BinFile.open(kept)
    origin = msgspec.structs.replace(file.origin, model=model)
    with BinWriter(tmp_path / "evil.bins", origin) as writer:
        for _ in writer.over(Bin(frame, None) for frame in file.frames(duration_us=100_000)):
            pass
        writer.finish()
    assert main(["run", "evil.bins"]) == 2
    assert "does not ship" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_rounds_and_jumps_score_as_when_they_were_played(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round is scored by itself: a gesture of the second is no repetition of the first one's."""
    write = Report.write

    def ends_in_third_round(report: Report, item: Item) -> None:
        if report.tally.playing == 2 and report.tally.end_us > report.tally.begun_us + 1_000_000:
            raise KeyboardInterrupt
        write(report, item)

    file = tmp_path / "rounds.bins"
    with monkeypatch.context() as cut:
        cut.setattr(Report, "write", ends_in_third_round)
        decisions, summary = printed(capsys, str(session), "--loop", "--record", str(file))
    assert summary["code"] == 130
    again, summary_again = printed(capsys, str(file))
    assert again == decisions
    assert len(decisions) > 2
    differing = {"ended", "code", "read", "bins", "dropped"}  # what was read and not played is not in the file
    assert {key: value for key, value in summary_again.items() if key not in differing} == {
        key: value for key, value in summary.items() if key not in differing
    }
    assert summary_again["used"] == summary["used"]
    assert summary_again["right"] >= 2 * printed(capsys, str(session))[1]["right"] > 0


def test_bins_that_were_dropped_are_read_back_and_counted(kept: Path, tmp_path: Path) -> None:
    file = BinFile.open(kept)
    frames = list(file.frames(duration_us=200_000))
    bins = [Bin(frame, None, playing=at // 4, n_dropped=at % 3) for at, frame in enumerate(frames)]
    target = tmp_path / "gaps.bins"
    with BinWriter(target, file.origin) as writer:
        assert len(list(writer.over(bins))) == len(bins)
        writer.finish()
    player = Player(BinFile.open(target).frames, WallClock(), Controls(None))
    queue = BinQueue(1)
    again = list(queue.read.over(player))
    assert [(one.playing, one.n_dropped) for one in again] == [(one.playing, one.n_dropped) for one in bins]
    assert queue.read.n_bins == len(bins) + sum(one.n_dropped for one in bins)
