"""`spikecut policy` and what follows from it: planned cutoffs are fitted, swept, stopped and shown like all others."""

import csv
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikecut.models.files import checkpoint, opening
from spikecut.models.policy.file import read_policy_card
from spikecut.models.policy.network import PolicySpec, macs_of_policy
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.pipeline.results import Decision, StopReason
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.session.decision_text import as_text
from spikecut.tools.training.policy import policy_spec

N = 40


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn digits in folders: some to train a policy on, others to calibrate and to test."""
    folder = tmp_path_factory.mktemp("drawn")
    for at, part in enumerate(("train", "calibration", "test")):
        write_digits(folder / part, N, seed=1_000 * at)
    return folder


@pytest.fixture(scope="module")
def made(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network, its policy, its cutoffs and an evaluation."""
    folder = tmp_path_factory.mktemp("made")
    for suffix in (".safetensors", ".json"):
        shutil.copy(opening.SHIPPED / f"nmnist{suffix}", folder)
    model = ["--model", str(folder / "nmnist.safetensors")]
    train = ["policy", str(digits), *model, "--epochs", "2", "--batch-size", "10", "--look", "2"]
    assert main(train) == 0
    fits = ["--rule", "planned", "ltt_planned", "confidence", "--tolerance", "0.1", "--or-never"]
    assert main(["calibrate", str(digits), *model, *fits, "--outputs", str(folder / "calibration.npz")]) == 0
    assert main(["evaluate", str(digits), *model, "--out", str(folder / "evaluation")]) == 0
    return folder


def test_the_card_says_for_which_network_from_what_and_at_what_cost(made: Path, digits: Path) -> None:
    card, network = read_policy_card(made / "nmnist.policy.json"), checkpoint.read_card(made / "nmnist.json")
    assert card.network == network.weights_sha256
    assert (card.spec.look, card.spec.horizon, card.spec.frame) == (2, 30, network.spec.frame)
    assert 8 * card.macs <= card.step_macs  # an eighth of a step at most, unless asked for
    assert (card.metrics["n"], len(card.trained_on)) == (N, N)
    assert card.provenance["plan"]["epochs"] == 2
    assert "CC BY-SA 4.0" in card.provenance["data_licence"]
    assert {"seed", "commit", "data", "machine", "command"} <= {*card.provenance, *card.provenance["plan"]}
    again = shlex.split(card.provenance["command"])[1:]
    again[again.index("DIR")], again[again.index("nmnist")] = str(digits), str(made / "nmnist.safetensors")
    assert main([*again, "--out", str(made / "again by its command")]) == 0
    assert main([*again, "--recordings", "12", "--out", str(made / "of twelve")]) == 0
    twelve = read_policy_card(made / "of twelve" / "nmnist.policy.json")
    assert set(twelve.trained_on) < set(card.trained_on)
    assert (twelve.metrics["n"], len(twelve.trained_on)) == (12, 12)
    twin = made / "again by its command" / "nmnist.policy.safetensors"
    assert twin.read_bytes() == (made / "nmnist.policy.safetensors").read_bytes()


def test_a_planned_cutoff_really_stops_where_the_sweep_says(
    made: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (made / "evaluation" / "decisions.csv").open(newline="") as file:
        swept = {name: [row for row in csv.DictReader(file) if row["rule"] == name] for name in ("planned-10pt",)}
    steps = [int(row["step"]) for row in swept["planned-10pt"]]
    assert len(steps) == N
    assert 2 <= min(steps) <= max(steps) <= 30
    replay = ["replay", str(digits), "--model", str(made / "nmnist.safetensors"), "--part", "test"]
    assert main([*replay, "--cutoff", "planned-10pt", "--json", "--batch-size", "7"]) == 0
    rows = {row["rule"]: row for row in json.loads(capsys.readouterr().out)["rules"]}
    assert rows["planned-10pt"]["executed_steps"] == sum(steps)
    assert rows["planned-10pt"]["n_right"] == sum(row["answer"] == row["truth"] for row in swept["planned-10pt"])
    assert 0 < rows["planned-10pt"]["policy_cost"] < 1 / 8
    assert rows["none"]["policy_cost"] == 0
    assert "confidence as planned-10pt" in rows

    said = []
    for recording in sorted((digits / "test" / "3").iterdir()):
        run = ["run", str(recording), "--model", str(made / "nmnist.safetensors"), "--cutoff", "planned-10pt"]
        assert main([*run, "--once", "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out.splitlines()[0])["steps"])
    assert said == [int(row["step"]) for row in swept["planned-10pt"] if row["truth"] == "3"]


def test_the_policy_is_paid_for_and_confidence_stands_beside_it_at_the_same_cost(made: Path) -> None:
    told = json.loads((made / "evaluation" / "evaluation.json").read_text())
    rows = {row["name"]: row for row in told["rules"]}
    planned, alike = rows["planned-10pt"], rows["confidence as planned-10pt"]
    same = planned["equal_cost"]
    assert same["cost"][0] == pytest.approx(planned["mean_steps"][0] + planned["policy_cost"], abs=1e-5)
    assert same["other_cost"][0] == alike["mean_steps"][0]
    assert same["gain"][0] == pytest.approx(100 * (planned["accuracy"][0] - alike["accuracy"][0]), abs=1e-4)
    assert rows["confidence-10pt"]["equal_cost"] is None

    fitted = load_cutoff(made / "nmnist.planned-10pt.json")
    rule, recorded = fitted.cutoff, load_outputs(made / "calibration.npz")[0]
    assert isinstance(rule, Planned)
    assert fitted.observed["mean_cost"] == fitted.observed["mean_steps"] + rule.cost
    reached = recorded.scores("confidence") > fitted.observed["equal_cost_confidence"]
    stops = np.where(reached.any(1), reached.argmax(1) + 1, 30)
    assert stops.mean() == pytest.approx(fitted.observed["mean_cost"], abs=0.5)


def test_the_report_and_the_tables_show_what_planning_costs(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(made / "evaluation")]) == 0
    page = (made / "evaluation" / "report.html").read_text()
    assert "at equal mean cost" in page
    assert "confidence as planned-10pt" in page
    again = ["evaluate", str(made / "evaluation" / "outputs.npz"), "--model", str(made / "nmnist.safetensors")]
    capsys.readouterr()
    assert main([*again, "--out", str(made / "again")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "for its policy). Confidence, set to cost as much on the calibration recordings:" in told
    one, other = (json.loads((made / name / "evaluation.json").read_text()) for name in ("evaluation", "again"))
    assert one["rules"] == other["rules"]
    assert main(["report", "--compare", str(made / "evaluation"), str(made / "again")]) == 0
    assert "planned-10pt" in capsys.readouterr().out


def test_results_tell_what_a_policy_costs(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "seed0"
    shutil.copytree(made / "evaluation", run / "evaluation")
    shutil.copy(made / "nmnist.json", run)
    assert main(["results", str(tmp_path)]) == 0
    page = capsys.readouterr().out
    (row,) = [line for line in page.splitlines() if line.startswith("| planned-10pt")]
    assert "for the policy" in row
    (row,) = [line for line in page.splitlines() if line.startswith("| confidence as planned-10pt")]
    assert [cell.strip() for cell in row.split("|")[6:8]] == ["", ""]  # no constant beside it
    assert "points with planned-10pt." in page


def test_why_asks_the_policy_about_one_recording(
    made: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = sorted((digits / "test" / "3").iterdir())[0]
    why = ["why", str(recording), "--model", str(made / "nmnist.safetensors"), "--save", str(tmp_path / "why.png")]
    assert main([*why, "--cutoff", "planned-10pt", "--json"]) == 0
    answers = {one["rule"]: one["steps"] for one in json.loads(capsys.readouterr().out)["answers"]}
    with (made / "evaluation" / "decisions.csv").open(newline="") as file:
        rows = {(row["recording"], row["rule"]): int(row["step"]) for row in csv.DictReader(file)}
    assert answers["planned-10pt"] == rows[str(recording), "planned-10pt"]


def test_what_trained_the_policy_does_not_calibrate_it(
    made: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["calibrate", str(digits), "--model", str(made / "nmnist.safetensors"), "--part", "train", "--overwrite"]
    assert main([*fit, "--rule", "planned", "--tolerance", "0.1"]) == 2
    assert f"{N} of these recordings trained this network or its policy" in capsys.readouterr().err


def test_without_a_policy_or_with_another_one_nothing_is_planned(
    made: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(made, other)
    model = ["--model", str(other / "nmnist.safetensors")]
    saved, recording = str(other / "calibration.npz"), str(sorted((digits / "test" / "3").iterdir())[0])
    fit = ["calibrate", saved, *model, "--tolerance", "0.2", "--or-never"]
    train = ["policy", str(digits), *model, "--epochs", "1", "--batch-size", "10", "--look", "2", "--seed", "1"]
    assert main(train) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*train, "--overwrite"]) == 0
    assert main([*fit, "--rule", "planned"]) == 2
    assert "outputs that were recorded with policy" in capsys.readouterr().err
    assert main(["run", recording, *model, "--cutoff", "planned-10pt"]) == 2
    assert "this cutoff was fitted for policy" in capsys.readouterr().err

    card = json.loads((other / "nmnist.policy.json").read_text())
    (other / "nmnist.policy.json").write_text(json.dumps(card | {"network": "e" * 64}))
    assert main([*fit, "--rule", "planned"]) == 2
    assert "a policy for network eeeeeeeeeeee" in capsys.readouterr().err

    (other / "nmnist.policy.safetensors").unlink()
    assert main(["run", recording, *model, "--cutoff", "planned-10pt"]) == 2
    assert "its policy is missing, nmnist.policy.safetensors" in capsys.readouterr().err
    bare = tmp_path / "bare.npz"
    with np.load(saved) as arrays:
        np.savez(bare, **{name: arrays[name] for name in arrays if not name.startswith(("plans", "policy"))})
    fit[1] = str(bare)
    assert main([*fit, "--rule", "planned"]) == 2
    assert "outputs that were recorded without a policy" in capsys.readouterr().err
    assert main([*fit, "--rule", "all", "--out", str(tmp_path / "all")]) == 0
    written = {path.name.split(".")[1].split("-")[0] for path in (tmp_path / "all").iterdir()}
    assert {"ltt", "confidence", "calimera"} <= written
    assert not {name for name in written if "planned" in name}


def test_a_policy_needs_recordings_and_a_network_that_fits(
    digits: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path)]
    for wrong, said in (
        ([str(made / "calibration.npz")], "a policy looks at recordings"),
        ([str(digits), "--look", "31"], "a look at 31 frames with a horizon of 30"),
        ([str(digits), "--epochs", "0"], "policy: epochs is 0"),
    ):
        assert main(["policy", *wrong, *out]) == 2
        assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_does_not_say_that_a_planned_answer_was_sure(made: Path) -> None:
    total = np.array([3.0] + [0.0] * 9, np.float32)
    decision = Decision(0, 4, StopReason.cutoff, 4.0, 0, 40_000, 99, total)
    card = checkpoint.read_card(made / "nmnist.json")
    assert "the steps that its policy granted" in as_text(decision, card, 0, "planned")
    assert "sure enough" in as_text(decision, card, 0, "topk")
    assert "last allowed step" in as_text(replace(decision, reason=StopReason.horizon), card, 0, "planned")


def test_a_policy_is_as_wide_as_an_eighth_of_a_step_allows_and_looks_at_a_tenth_of_the_window() -> None:
    card = checkpoint.read_card(opening.SHIPPED / "nmnist.json")
    widths = (64, 32, 16, 8, 4)
    costs = [macs_of_policy(PolicySpec(2, card.spec.frame, 3, 30, width)) for width in widths]
    for width, cost in zip(widths, costs, strict=True):
        assert policy_spec(card, None, None, 8 * cost) == PolicySpec(2, card.spec.frame, 3, 30, width)
        assert policy_spec(card, None, None, 8 * cost - 1).width == max(4, width // 2)
    assert policy_spec(card, 5, 9, 1) == PolicySpec(2, card.spec.frame, 5, 30, 9)
    picture = replace(card, spec=replace(card.spec, inputs=3))
    assert policy_spec(picture, None, 4, 1).look == 1
