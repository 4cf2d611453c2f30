"""Truths about a labelled session: named as it happens, scored against its labels, the same at every speed."""

import json
from pathlib import Path

import pytest
import torch

from spikecut.pipeline.results import Decision, Item
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.playing import Player
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.session import opening
from spikecut.tools.session.run import run_run
from spikecut.tools.session.summarising import Report
from spikecut.tools.views import VIEWS
from spikecut.tools.views.base import ViewKind
from spikecut.tools.views.overlay_view import OverlayView

from fakes import FakeClock


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three gestures of a drawn test user."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("session")
    return write_session(folder, DrawnSession(24, "natural", order=(3, 0, 2), quick=True))


def said(words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in words.splitlines()]


def test_a_session_is_named_as_it_happens_and_scored(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--json"]) == 0
    *decisions, last = said(capsys.readouterr().out)
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert summary["decisions"] == len(decisions)
    assert summary["dropped"] == {}
    assert summary["gestures"] == summary["right"] + summary["wrong"] + summary["missed"] == 3
    assert summary["right"] >= 2
    first = [d for d in decisions if d["outcome"] in ("right", "wrong")]
    assert all(0 < int(str(d["delay_us"])) < 1_700_000 for d in first)
    n_answers = summary["right"] + summary["wrong"] + summary["repeated"] + summary["false_alarms"]
    assert len(decisions) == n_answers


def test_pictures_show_the_verdicts_that_are_printed(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the three labels is taken away, so that its answer is a false alarm."""
    copy = tmp_path / session.name
    copy.write_bytes(session.read_bytes())
    labels = session.with_name(f"{session.stem}_labels.csv").read_text().splitlines()
    copy.with_name(f"{copy.stem}_labels.csv").write_text("\n".join([*labels[:2], *labels[3:]]) + "\n")
    shown, see = list[tuple[str, str | None]](), OverlayView.see

    def watched(view: OverlayView, item: Item) -> None:
        see(view, item)
        scene = view._scene
        if isinstance(item, Decision):
            assert scene.verdict is not None
            shown.append((scene.verdict.name, None if scene.truth is None else view.overlay.names[scene.truth]))
            assert [verdict.name for verdict in scene.past] == [outcome for outcome, _ in shown]

    monkeypatch.setattr(OverlayView, "see", watched)
    assert main(["run", str(copy), "--json", "--save", str(tmp_path / "a.mkv")]) == 0
    *decisions, _ = said(capsys.readouterr().out)
    assert [outcome for outcome, _ in shown] == [one["outcome"] for one in decisions]
    assert ("false_alarm", None) in shown
    assert all(truth for outcome, truth in shown if outcome != "false_alarm")


def test_decisions_are_the_same_at_every_speed(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def at(speed: str) -> str:
        assert run_run(Run(session, "gestures", json=True, speed=speed, window="off"), clock=FakeClock()) == 0
        *decisions, last = said(capsys.readouterr().out)
        summary = last["summary"]
        assert isinstance(summary, dict)
        assert (summary.pop("timing") is None) == (speed == "max")
        return json.dumps([*decisions, summary])

    assert at("max") == at("1") == at("0.3") == at("50")


def test_a_recording_played_three_times_gives_its_decisions_three_times(
    session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", str(session), "--json"]) == 0
    *once, summary = said(capsys.readouterr().out)
    n_jumps, begin = [0], Player._next_start_us

    def three_times(self: Player, n_bins: int) -> int | None:
        n_jumps[0] += 1
        return begin(self, n_bins) if n_jumps[0] < 3 else None

    monkeypatch.setattr(Player, "_next_start_us", three_times)
    assert main(["run", str(session), "--json", "--loop"]) == 0
    captured = capsys.readouterr()
    *thrice, last = said(captured.out)
    assert [one["time_us"] for one in thrice] == [one["time_us"] for one in once] * 3
    assert [one["outcome"] for one in thrice] == [one["outcome"] for one in once] * 3
    for name in ("gestures", "right", "wrong", "missed", "decisions"):
        assert last["summary"][name] == 3 * summary["summary"][name]  # type: ignore[index]


def test_a_jump_over_a_gesture_does_not_miss_it(
    session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first decision a key seeks 10 s ahead, over the second gesture and the beginning of the third."""
    controls, write, pressed = Controls(None), Report.write, list[str]()

    def press(report: Report, item: Item) -> None:
        write(report, item)
        if isinstance(item, Decision) and not pressed:
            for key in "ff":
                pressed.append(key)
                controls.press(key)

    monkeypatch.setattr(Report, "write", press)
    monkeypatch.setattr(opening, "Controls", lambda speed, live: controls)
    assert main(["run", str(session), "--json", "--window", "off"]) == 0
    captured = capsys.readouterr()
    *decisions, last = said(captured.out)
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert decisions[0]["outcome"] == "right"
    assert (summary["gestures"], summary["missed"]) == (len(decisions), 0)
    assert "1 jumps: gestures that were not played are not missed" in captured.err


def test_a_silence_is_cut_at_max_gap_and_that_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3 s without an event: 0.5 s of it is played, whatever the speed."""
    lines = [f"{t},{t // 100 % 128},60,1" for t in (*range(0, 200_000, 100), *range(3_200_000, 3_400_000, 100))]
    (tmp_path / "gap.csv").write_text("\n".join(["t_us,x,y,p", *lines]))
    words = ["run", str(tmp_path / "gap.csv"), "--sensor", "128x128", "--model", "gestures", "--max-gap", "0.5"]
    for speed in ("max", "50"):
        assert main([*words, "--speed", speed, "--window", "off"]) == 0
        captured = capsys.readouterr()
        assert "skipped 1 gap without events, 2.5" in captured.err
        assert "  4000 events  0.9" in captured.err
    assert main(words[:-2]) == 0
    captured = capsys.readouterr()
    assert "skipped" not in captured.err
    assert "  4000 events  3.40 s" in captured.err


def test_a_paced_run_says_how_much_it_lagged(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--speed", "40", "--window", "off"]) == 0
    captured = capsys.readouterr()
    assert "played at 40 times the sensor's pace: lag" in captured.err
    assert "3 gestures: " in captured.out
    assert "false alarms in" in captured.out


def test_a_gesture_nobody_named_is_reported_as_missed(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / session.name
    copy.write_bytes(session.read_bytes())
    labels = session.with_name(f"{session.stem}_labels.csv").read_text().splitlines()
    pause = labels[1].split(",")[2], labels[2].split(",")[1]  # while nothing moves
    (tmp_path / f"{session.stem}_labels.csv").write_text(f"{labels[0]}\n9,{pause[0]},{pause[1]}\n")
    assert main(["run", str(copy)]) == 0
    out = capsys.readouterr().out
    assert "MISSED" in out
    assert "1 gestures: 0 right, 0 wrong, 1 missed" in out
    assert "FALSE ALARM" in out


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "inf"])
def test_a_speed_is_a_factor_or_max(speed: str, session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--speed", speed]) == 2
    assert "1 is the pace of the sensor" in capsys.readouterr().err


def test_a_view_that_listens_to_no_keys_is_shown_at_a_pace_as_well(
    session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Views of others, as they were written before playing was steered by keys."""
    taken = list[Item]()

    class Plain:
        def __enter__(self) -> "Plain":
            return self

        def begin(self, title: str, truth: str | None) -> None: ...

        def expect(self, truth: str | None) -> None: ...

        def write(self, item: Item) -> None:
            taken.append(item)

        def finish(self, summary: object) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setitem(VIEWS, "plain", ViewKind("takes items", lambda card, decider, options: Plain()))
    options = Run(session, "gestures", json=True, speed="1", window="off", view=("plain",))
    assert run_run(options, clock=FakeClock()) == 0
    *decisions, _ = said(capsys.readouterr().out)
    assert sum(isinstance(item, Decision) for item in taken) == len(decisions)
