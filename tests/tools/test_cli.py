"""Truths about the commands, run as people run them: what they print, what they leave, how they end."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.views.overlay import Overlay  # noqa: F401 - fails here, and not inside a command, if drawing is broken

import faults


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "digits"
    write_digits(folder, 12, seed=0)
    return folder


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def eight_of_each(digits: Path, tmp_path: Path) -> Path:
    """A folder to train on: too few and too alike to learn from, enough to run."""
    data = tmp_path / "data"
    for digit in range(10):
        for i in range(8):
            target = data / str(digit) / f"{i:03d}.bin"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(next((digits / str(digit)).iterdir()), target)
    return data


def test_run_names_a_recording_before_it_is_over(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(digits / "3" / "drawn_003.bin"), "--once", "--json"]) == 0
    (said,) = lines(capsys.readouterr().out)
    assert said["label"] == said["truth"] == "3"
    assert said["reason"] == "cutoff"
    assert said["latency_us"] == 10_000 * int(str(said["steps"])) < 300_000


def test_run_without_cutoff_reads_the_whole_window(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(digits / "3" / "drawn_003.bin"), "--once", "--json", "--cutoff", "none"]) == 0
    (said,) = lines(capsys.readouterr().out)
    assert (said["steps"], said["reason"]) == (30, "horizon")


def test_run_goes_on_with_the_next_window(digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from spikecut.pipeline.events import EventBatch
    from spikecut.sources.formats.atis import write_atis
    from spikecut.sources.simulation.drawn_digits import SENSOR, DrawnDigit

    def two() -> "list[EventBatch]":
        first, second = list(DrawnDigit(7, 5)), list(DrawnDigit(3, 3))
        later = [
            EventBatch(b.t + 300_000, b.x, b.y, b.p, b.start_us + 300_000, b.end_us + 300_000, SENSOR) for b in second
        ]
        return [*first, *later]

    write_atis(tmp_path / "two.bin", two())
    assert main(["run", str(tmp_path / "two.bin"), "--json"]) == 0
    said = lines(capsys.readouterr().out)
    assert [answer["label"] for answer in said[:2]] == ["7", "3"]
    assert said[1]["start_us"] == int(str(said[0]["start_us"])) + 300_000


def test_the_overlay_video_changes_no_decision(
    digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import cv2

    file = str(digits / "5" / "drawn_005.bin")
    assert main(["run", file, "--json"]) == 0
    without = capsys.readouterr().out
    assert main(["run", file, "--json", "--save", str(tmp_path / "five.mkv")]) == 0
    assert capsys.readouterr().out == without
    film = cv2.VideoCapture(str(tmp_path / "five.mkv"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) >= 30
    assert main(["run", file, "--save", str(tmp_path / "five.mkv")]) == 2


def test_replay_measures_every_rule_beside_the_fixed_horizon(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(digits), "--json"]) == 0
    (report,) = lines(capsys.readouterr().out)
    rows = {row["rule"]: row for row in report["rules"]}  # type: ignore[attr-defined]
    assert list(rows) == ["none", "8 steps", "ltt-2pt", "fixed-2pt", "topk-2pt", "confidence-2pt"]
    assert rows["ltt-2pt"]["fixed"] == "8 steps"
    assert rows["topk-2pt"]["fixed"] == "fixed-2pt"
    assert "95 % confidence" in rows["ltt-2pt"]["promise"]
    assert report["n"] == 12
    assert rows["none"]["executed_steps"] >= 12 * 29  # the last bin of a drawing may stay silent
    for row in rows.values():
        assert row["executed_steps"] == pytest.approx(12 * row["mean_steps"][0], abs=0.01)
        assert row["mean_ms"][0] == pytest.approx(10 * row["mean_steps"][0], abs=0.01)
    assert rows["confidence-2pt"]["earlier_than_full"][0] > 2


def test_the_table_of_replay_has_the_rules_first_and_below_them_the_constants_under_a_heading(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(digits), "--timed", "0"]) == 0
    out = capsys.readouterr().out
    names = [
        "rule",
        "full window",
        "ltt-2pt",
        "fixed-2pt",
        "topk-2pt",
        "confidence-2pt",
        "constants",
        "8 steps",
        "loss:",
    ]
    starts = [line for line in out.splitlines() if line.startswith(tuple(names))]
    assert [next(name for name in names if line.startswith(name)) for line in starts] == [*names, "constants"]
    rows = {line.split()[0]: line.split() for line in starts}
    assert rows["ltt-2pt"][-2:-1] == ["8"]
    assert rows["topk-2pt"][-2:-1] == rows["fixed-2pt"][-2:-1] == ["4"]
    assert "constants: what those steps do on these recordings." in out


def test_replay_says_when_recordings_trained_the_network(
    digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import dataclasses
    import hashlib

    stepper, card = opening.load("nmnist", engine="norse")
    assert isinstance(stepper, NetworkStepper)
    seen = hashlib.sha256((digits / "0" / "drawn_000.bin").read_bytes()).hexdigest()[:16]
    checkpoint.save(tmp_path, dataclasses.replace(card, trained_on=(seen,)), stepper.network)
    model = str(tmp_path / "nmnist.safetensors")
    assert main(["replay", str(digits), "--model", model, "--json"]) == 0
    captured = capsys.readouterr()
    assert lines(captured.out)[0]["n_trained_on"] == 1
    assert "trained the network" in captured.err
    assert main(["calibrate", str(digits), "--model", model, "--part", "all"]) == 2
    assert "1 of these recordings trained this network" in capsys.readouterr().err
    assert main(["calibrate", str(digits), "--model", model, "--part", "all"]) == 2
    fits = ["--rule", "confidence", "--out", str(tmp_path / "cutoffs")]
    assert main(["calibrate", str(digits), "--model", model, "--part", "all", "--force", *fits]) == 0


def test_calibrate_writes_cutoffs_that_run_takes_and_other_networks_refuse(
    digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fit = ["calibrate", str(digits), "--part", "all", "--tolerance", "0.1", "--out", str(tmp_path)]
    fit += ["--rule", "confidence", "topk", "patience"]
    assert main(fit) == 0
    assert "12 recordings" in capsys.readouterr().out
    cutoff = str(tmp_path / "nmnist.confidence-10pt.json")
    assert main(["run", str(digits / "2" / "drawn_002.bin"), "--cutoff", cutoff, "--once"]) == 0
    raw = json.loads(Path(cutoff).read_text())
    raw["fitted_on"]["network"] = "0" * 64
    Path(cutoff).write_text(json.dumps(raw))
    assert main(["run", str(digits / "2" / "drawn_002.bin"), "--cutoff", cutoff]) == 2
    assert "fitted for weights 000000000000" in capsys.readouterr().err
    assert main(fit) == 2
    assert "exists" in capsys.readouterr().err


def test_a_promise_that_the_recordings_cannot_carry_is_refused_with_the_number_it_needs(
    digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fit = ["calibrate", str(digits), "--part", "all", "--tolerance", "0.01", "--out", str(tmp_path)]
    assert main(fit) == 2
    told = capsys.readouterr().err
    assert "12 recordings cannot carry the promise of 'ltt'" in told
    assert "1 point needs 299 recordings without a loss, 473 with one, 628 with two" in told
    assert not list(tmp_path.iterdir())
    saved = tmp_path / "outputs.npz"
    assert main([*fit, "--or-never", "--outputs", str(saved)]) == 0
    cutoff = str(tmp_path / "nmnist.ltt-1pt.json")
    assert main(["run", str(digits / "2" / "drawn_002.bin"), "--cutoff", cutoff, "--once", "--json"]) == 0
    decision = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert decision["reason"] in ("horizon", "end_of_stream")

    from_file = ["calibrate", str(saved), "--rule", "confidence", "--tolerance", "0.1", "--out", str(tmp_path)]
    assert main(from_file) == 0
    assert main([*from_file, "--model", "gestures"]) == 2
    assert "outputs of another network" in capsys.readouterr().err
    assert main(["calibrate", str(digits), "--rule", "mood"]) == 2
    assert "no rule 'mood'; there are ltt" in capsys.readouterr().err


def test_damage_is_told_and_counted_everywhere(
    digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = (digits / "8" / "drawn_008.bin").read_bytes()
    (tmp_path / "8").mkdir()
    broken = tmp_path / "8" / "broken.bin"
    broken.write_bytes(faults.truncate(data, 4_003))
    assert main(["run", str(broken), "--json"]) == 3
    captured = capsys.readouterr()
    assert lines(captured.out)
    assert "1 events lost (1 cut_off)" in captured.err
    assert main(["info", str(broken), "--json"]) == 3
    (found,) = lines(capsys.readouterr().out)
    assert found["n_events"] == 800
    assert found["damage"][0]["cause"] == "cut_off"  # type: ignore[index]
    (tmp_path / "8" / "empty.bin").write_bytes(b"")
    assert main(["replay", str(tmp_path), "--json"]) == 3
    captured = capsys.readouterr()
    assert lines(captured.out)[0]["n_unreadable"] == 1
    assert "empty.bin: the file is empty" in captured.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "nowhere.bin"], 4, "nowhere.bin: no such file"),
        (["run", "."], 4, "is a directory"),
        (["info", "nowhere.bin"], 4, "no such file"),
        (["replay", "nowhere"], 4, "no such folder"),
        (["run", "nowhere.bin", "--model", "nobody"], 2, "no network 'nobody'"),
        (["calibrate", ".", "--tolerance", "2"], 2, "a tolerated loss of 2"),
        (["calibrate", "nowhere", "--rule", "topk", "msprt", "--tolerance", "0"], 2, "'msprt' cannot promise a loss"),
        (["calibrate", "nowhere", "--delta", "7"], 2, "a delta of 7"),
        (["demo", "--count", "0"], 2, "--count '0': expected a whole number of 1 or more"),
        (["demo", "--out", "/dev/null/demo", "--count", "1"], 5, "not a directory"),
        (
            ["train", "nmnist", "--data", ".", "--out", "x", "--epochs", "0"],
            2,
            "--epochs '0': expected a whole number of 1 or more",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "words",
    [
        ["run", "RECORDING", "--save", "OUT.mkv"],
        ["demo", "--count", "1", "--out", "OUT"],
        ["convert", "RECORDING", "OUT.h5"],
        ["why", "RECORDING", "--save", "OUT.png"],
        ["calibrate", "FOLDER", "--part", "all", "--rule", "topk", "--out", "OUT"],
        ["evaluate", "FOLDER", "--part", "all", "--out", "OUT"],
        ["simulate", "gestures", "OUT", "--users", "1"],
        ["train", "nmnist", "--data", "FOLDER", "--out", "OUT"],
    ],
    ids=lambda words: words[0],
)
def test_an_output_that_cannot_be_written_is_a_matter_of_the_machine(
    words: list[str], digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    places = {"RECORDING": str(digits / "3" / "drawn_003.bin"), "FOLDER": str(digits)}
    words = [places.get(word, word.replace("OUT", str(tmp_path / "file" / "out"))) for word in words]
    assert main(words) == 5
    told = capsys.readouterr().err
    assert f"error: {tmp_path / 'file'}" in told
    assert "Traceback" not in told


def test_a_reader_who_had_enough_is_no_error(digits: Path) -> None:
    command = f"{sys.executable} -m spikecut replay {digits} --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), pytest.param(signal.SIGTERM, 143, "terminated", marks=pytest.mark.slow)],
)
def test_an_interrupted_training_says_how_to_go_on(
    number: int, code: int, word: str, digits: Path, tmp_path: Path
) -> None:
    data = eight_of_each(digits, tmp_path)
    words = ["train", "nmnist", "--data", str(data), "--out", str(tmp_path / "run")]
    script = (
        "import signal, sys\nfrom spikecut.tools.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job does not inherit\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, *words]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("epoch 1/"):
            break
    running.send_signal(number)
    said = running.communicate()[1]
    assert running.returncode == code
    assert said.endswith(f"\n{word}\n")
    assert "--resume goes on" in said
    assert "Traceback" not in said
    assert (tmp_path / "run" / "training.pt").exists()


@pytest.mark.parametrize(
    ("complete", "told"),
    [
        (False, "no epoch was complete, so nothing of the training was written\n"),
        (True, "--resume goes on after the last whole epoch in {}\n"),
    ],
)
def test_an_interrupted_training_says_whether_an_epoch_was_complete(
    complete: bool, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from spikecut.tools.training import train

    def interrupted(options: "train.Train") -> Path:  # type: ignore[name-defined]
        if complete:
            (options.out / "training.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    assert main(["train", "nmnist", "--data", ".", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == f"{told.format(tmp_path)}interrupted\n"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dance"]) == 2
    assert capsys.readouterr().err.startswith("error: no command 'dance'\nhint: one of demo, run, live, ")


def test_a_recording_of_another_sensor_is_cropped_with_a_note_and_a_multiple_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from spikecut.pipeline.events import EventBatch, SensorSize
    from spikecut.sources.formats.hdf5_writer import write_hdf5

    for width in (68, 70):
        sensor = SensorSize(width, width)
        t = np.arange(0, 400_000, 100)
        place = (t % width).astype(np.uint16)
        batch = EventBatch(t, place, place, np.ones(len(t), np.uint8), 0, 400_000, sensor)
        path = tmp_path / f"{width}.h5"
        write_hdf5(path, [batch], sensor)
        assert main(["run", str(path), "--once"]) == 0
        notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
        assert len(notes) == (width == 70)
    assert notes[0].startswith("note: 70x70 recording, 34x34 frames: its central 68x68 pixels (from 1,1) are shown")


def test_the_demo_names_its_gestures_and_leaves_a_film(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import cv2

    assert main(["demo", "--out", str(tmp_path / "demo"), "--count", "2"]) == 0
    said = capsys.readouterr().out
    assert "no real person" in said
    assert "2 gestures: 2 right, 0 wrong, 0 missed" in said
    film = cv2.VideoCapture(str(tmp_path / "demo" / "demo.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) > 6 * 25  # two gestures of 3 s in real time


@pytest.mark.slow
def test_the_demo_ends_with_a_command_that_works_as_it_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import spikecut.__main__

    monkeypatch.setattr(sys, "argv", [str(spikecut.__main__.__file__), "demo"])
    assert main(["demo", "--out", str(tmp_path / "a folder"), "--count", "1"]) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("next: ")
    done = subprocess.run(last.removeprefix("next: "), shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 gestures: 1 right" in done.stdout


def test_the_demo_touches_nothing_that_it_did_not_make(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "recordings" / "mine.aedat"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"12345")
    film = tmp_path / "mine.mp4"
    film.write_bytes(b"film")
    assert main(["demo", "--out", str(tmp_path), "--count", "1", "--save", str(film)]) == 2
    assert film.read_bytes() == b"film"
    assert mine.read_bytes() == b"12345"
    assert "exists already" in capsys.readouterr().err


def test_training_from_a_folder_resumes_and_can_be_run_at_once(
    digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = eight_of_each(digits, tmp_path)
    words = ["train", "nmnist", "--data", str(data), "--out", str(tmp_path / "run"), "--epochs", "1"]
    assert main(words) == 0
    weights = capsys.readouterr().out.strip()
    assert main(words) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert main([*words[:-1], "1", "--resume"]) == 0
    stepper, card = opening.load(weights)
    assert stepper.n_outputs == 10
    assert card.metrics["part"] == "test"
    assert card.provenance["data_licence"].startswith("CC BY-SA 4.0")


def test_the_shipped_network_reaches_its_card_on_the_real_test_part(real_data: Path, tmp_path: Path) -> None:
    """93 % of the full window is what the project promises; the card says what was measured."""
    import zipfile

    import torch

    torch.set_num_threads(1)
    from spikecut.tools.batch.examples import examples_of
    from spikecut.tools.batch.replay import one_pass
    from spikecut.tools.cutoff_lookup import find_cutoff

    with zipfile.ZipFile(real_data / "nmnist_train1000.zip") as archive:
        archive.extractall(tmp_path)
    weights = opening.locate("nmnist")
    stepper, card = opening.load(weights)
    examples = examples_of(tmp_path / "Train", card, "test")
    assert not examples.that_trained(card)
    assert examples_of(tmp_path / "Train", card, "train").that_trained(card)
    accuracy = {}
    for rule in ("none", "confidence"):
        found = one_pass(examples, stepper, card, find_cutoff(rule, weights, card).cutoff, 16)
        right = [d.label == examples.labels[i] for i, d in zip(found.items, found.decisions, strict=True)]
        accuracy[rule] = float(np.mean(right))
    assert accuracy["none"] == pytest.approx(card.metrics["accuracy_full_window"], abs=0.0101)
    assert accuracy["none"] >= 0.93
    assert accuracy["confidence"] >= 0.90


def test_a_file_of_a_larger_sensor_is_fitted_by_run_and_refused_in_a_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An ATIS file does not name its sensor; it is inferred, or most of its pixels lying outside says enough."""
    from spikecut.pipeline.events import EventBatch, SensorSize
    from spikecut.sources.formats.atis import write_atis

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 200, 5_000).astype(np.uint16), rng.integers(0, 170, 5_000).astype(np.uint16)
    t = np.arange(5_000) * 60
    batch = EventBatch(t, x, y, np.ones(5_000, np.uint8), 0, 300_000, SensorSize(240, 180))
    path = tmp_path / "0" / "large.bin"
    path.parent.mkdir()
    write_atis(path, [batch])
    assert main(["run", str(path)]) == 0
    assert "240x180 recording, 128x128 frames" in capsys.readouterr().err
    assert main(["run", str(path), "--sensor", "128x128"]) == 2
    assert "events lie outside 128x128; this is another sensor's recording" in capsys.readouterr().err
    assert main(["replay", str(tmp_path)]) == 4


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("spikecut ")


def test_a_rule_that_keeps_sets_says_them(digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fit = ["calibrate", str(digits), "--part", "all", "--rule", "conformal", "--tolerance", "0.4", "--or-never"]
    assert main([*fit, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    run = ["run", str(digits / "2" / "drawn_002.bin"), "--once", "--json"]
    assert main([*run, "--cutoff", str(tmp_path / "nmnist.conformal-40pt.json")]) == 0
    decision = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(decision["set"]) <= set("0123456789")
    assert main(run) == 0
    assert "set" not in json.loads(capsys.readouterr().out.splitlines()[-1])
