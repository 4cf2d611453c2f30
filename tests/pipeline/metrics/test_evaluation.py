"""Truths about evaluations: the measures of the papers, worked examples, and the commands that show them."""

import csv
import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.ensemble import Ensemble
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.metrics import evaluation
from spikecut.pipeline.metrics.evaluation import (
    anytime,
    assess,
    curve,
    expected_calibration_error,
    risk_coverage,
)
from spikecut.pipeline.outputs_file import load_outputs, save_outputs
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, confidence, fixed
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main

from contracts import check_model
from fakes import Script, frames
from golden import GOLDEN, TEST


def test_the_measures_of_the_papers_are_those_of_their_code() -> None:
    found = anytime(TEST)
    golden = GOLDEN["metrics"]
    assert [one.value for one in found.accuracy] == golden["fixed_timestep_accuracy"]
    assert found.oct == golden["oct"]["mean"]
    assert (found.aet, found.earliest) == (3.4375, 2.8125)
    assert found.floor == pytest.approx(2.1875)
    assert found.floor <= found.earliest <= found.oct


streams = st.builds(
    RecordedOutputs,
    hnp.arrays(np.float32, (12, 5, 3), elements=st.integers(-32, 32).map(lambda n: n / 8)),
    hnp.arrays(np.int64, 12, elements=st.integers(0, 2)),
)


@given(streams)
def test_a_curve_is_made_of_outcomes_that_its_thresholds_give(data: RecordedOutputs) -> None:
    found = curve(data, "confidence", points=10)
    for level, steps, accuracy in zip(found.thresholds, found.mean_steps, found.accuracy, strict=True):
        swept = sweep(data, confidence(float(np.clip(level, 0, 1)), 5))
        assert steps[0] == pytest.approx(swept.stops.mean())
        assert accuracy[0] == pytest.approx((swept.labels == data.labels).mean())
        assert accuracy[1] <= accuracy[0] + 1e-9
        assert accuracy[0] <= accuracy[2] + 1e-9
    assert (np.diff(found.mean_steps[:, 0]) >= 0).all()
    assert 0 <= found.area <= 1


@given(streams, st.integers(1, 5))
def test_every_recording_is_counted_at_the_step_of_its_answer(data: RecordedOutputs, steps: int) -> None:
    seen, swept = assess(data, fixed(steps, 5), fixed_steps=5)
    assert seen.right_by_step.sum() + seen.wrong_by_step.sum() == 12
    assert seen.right_by_step[steps - 1] == (swept.labels == data.labels).sum()
    assert seen.mean_steps.value == steps
    assert seen.earlier_than_full.value == pytest.approx(5 / steps)
    assert seen.earlier_than_fixed is not None
    assert seen.earlier_than_fixed.value == pytest.approx(5 / steps)
    assert (seen.early_loss is None) == (steps == 5)


def test_early_loss_counts_what_was_right_at_the_end_only() -> None:
    """Four recordings stopped after one of two steps: right-right, right-wrong, wrong-right, wrong-wrong."""
    yes, no = [2.0, 0.0], [0.0, 9.0]
    back = [9.0, 0.0]
    outputs = np.array([[yes, yes], [yes, no], [[0, 1.0], back], [[0, 1.0], no]], np.float32)
    seen, _ = assess(RecordedOutputs(outputs, np.zeros(4, np.int64)), fixed(1, 2))
    assert seen.early_loss is not None
    assert seen.early_loss.value == 25
    assert seen.loss.value == 0  # one lost, one won
    assert seen.agreement.value == 0.5
    assert seen.early_loss_by_step.tolist() == [0.25, 0.25]


def test_risk_falls_as_the_least_certain_answers_are_left_out() -> None:
    outputs = np.log(np.array([[[9.0, 1]], [[8, 2]], [[6, 4]], [[7, 3]]], np.float32))
    given_, wrong = risk_coverage(RecordedOutputs(outputs, np.array([0, 0, 1, 0])), 1)
    assert given_.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert wrong.tolist() == [0, 0, 0, 0.25]


def test_a_network_that_is_right_as_often_as_it_says_has_no_calibration_error() -> None:
    logits = np.log(np.tile(np.array([[0.75, 0.25]], np.float32), (4, 1)))
    assert expected_calibration_error(logits, np.array([True, True, True, False])) == pytest.approx(0, abs=1e-6)
    assert expected_calibration_error(logits, np.array([True] * 4)) == pytest.approx(0.25)


def test_recorded_outputs_come_back_and_others_are_refused(tmp_path: Path) -> None:
    data = RecordedOutputs(TEST.outputs, TEST.labels, tuple(f"user {i % 4}" for i in range(16)))
    save_outputs(tmp_path / "a.npz", data, {"network": "f"})
    back, about = load_outputs(tmp_path / "a.npz")
    np.testing.assert_array_equal(back.outputs, data.outputs)
    assert (back.groups, about) == (data.groups, {"network": "f"})
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    (tmp_path / "c.npz").write_text("no zip")
    for name in ("b.npz", "c.npz", "missing.npz"):
        with pytest.raises(ModelError, match=name):
            load_outputs(tmp_path / name)


def test_a_split_never_tears_a_person_apart() -> None:
    data = RecordedOutputs(TEST.outputs, TEST.labels, tuple(f"user {i % 5}" for i in range(16)))
    one, other = data.split(0.4, seed=3)
    assert not set(one.groups) & set(other.groups)
    assert len(one) + len(other) == 16
    assert len(set(one.groups)) == 2
    with pytest.raises(ConfigError, match="1 groups of recordings cannot be split"):
        RecordedOutputs(TEST.outputs, TEST.labels, ("same",) * 16).split(0.5, 0)


def test_an_ensemble_keeps_the_contract_of_a_model() -> None:
    rng = np.random.default_rng(0)
    one, other = (Script(rng.normal(0, 1, (3, 6, 4)).astype(np.float32)) for _ in range(2))
    ensemble = Ensemble([one, other])
    assert ensemble.n_outputs == 8
    check_model(ensemble, [np.stack([frames([i] * 6)[t].pixels for i in range(3)]) for t in range(4)])
    with pytest.raises(ModelError, match="expected one number"):
        Ensemble([one, Script(np.zeros((3, 6, 5), np.float32))])
    with pytest.raises(ModelError, match="0 networks"):
        Ensemble([])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    write_digits(folder / "<digits> & more", 20, seed=50)
    code = main(["evaluate", str(folder / "<digits> & more"), "--part", "all", "--out", str(folder / "run")])
    assert code == 0
    return folder / "run"


def test_evaluate_writes_every_rule_and_every_decision(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads((evaluated / "evaluation.json").read_text())
    assert [row["name"] for row in found["rules"]] == ["ltt-2pt", "fixed-2pt", "topk-2pt", "confidence-2pt"]
    with (evaluated / "decisions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 20
    for row in found["rules"]:
        mine = [one for one in rows if one["rule"] == row["name"]]
        assert np.mean([int(one["step"]) for one in mine]) == pytest.approx(row["mean_steps"][0], abs=1e-5)
        assert np.mean([one["truth"] == one["answer"] for one in mine]) == pytest.approx(row["accuracy"][0], abs=1e-5)
    again = ["evaluate", str(evaluated / "outputs.npz"), "--out", str(evaluated / "again"), "--json"]
    capsys.readouterr()
    assert main(again) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == found["rules"]
    assert main(["evaluate", str(evaluated / "outputs.npz"), "--out", str(evaluated)]) == 2
    assert "exists" in capsys.readouterr().err


def test_evaluate_writes_the_early_curve_as_json_and_as_a_table(evaluated: Path) -> None:
    document = json.loads((evaluated / "evaluation.json").read_text())
    early, step_ms = document["early"], document["step_us"] / 1000
    assert early["top1"] == document["anytime"]["accuracy"]
    assert early["share"][-1] == 1
    assert early["ms"] == [step_ms * t for t in range(1, document["horizon"] + 1)]
    with (evaluated / "early.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("top1", "top5"):
        table = [[float(row[column]) for column in (name, f"{name}_low", f"{name}_high")] for row in rows]
        np.testing.assert_allclose(table, early[name], atol=1e-5)
    for name in ("share", "ms"):
        np.testing.assert_allclose([float(row[name]) for row in rows], early[name], atol=1e-5)


def test_a_report_is_one_page_that_needs_nothing_else(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(evaluated)]) == 0
    page = (evaluated / "report.html").read_text()
    assert "&lt;digits&gt; &amp; more" in page
    assert "<digits>" not in page
    for remote in ("http://", "https://", 'src="/', "<script", "@import", "url("):
        assert remote not in page
    for name in ("trade", "anytime", "early", "early_loss", "risk", "decisions_ltt-2pt", "confusion_confidence-2pt"):
        assert (evaluated / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert page.count("data:image/png;base64,") == 4 + 5 + 1 + 2 * len(list(evaluated.glob("wrong_*.png")))
    assert "95 % confidence" in page
    assert "spikecut evaluate " in page
    assert "spikecut report " in page
    capsys.readouterr()
    assert main(["report", "--compare", str(evaluated), str(evaluated)]) == 0
    told = capsys.readouterr().out
    assert "n 20  right +0.0 (+0.0 to +0.0) points" in told
    assert "1.00x earlier" in told
    assert main(["report"]) == 2
    assert main(["report", str(evaluated.parent)]) == 2
    assert "spikecut evaluate writes one" in capsys.readouterr().err


@pytest.mark.parametrize(("rule", "shown"), [("confidence", False), ("conformal", True)])
def test_a_column_for_sets_is_there_where_a_rule_gives_sets(
    rule: str, shown: bool, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs, cutoff = str(evaluated / "outputs.npz"), str(tmp_path / f"nmnist.{rule}-20pt.json")
    fit = ["calibrate", outputs, "--rule", rule, "--tolerance", "0.2", "--or-never", "--out", str(tmp_path)]
    assert main(fit) == 0
    capsys.readouterr()
    assert main(["evaluate", outputs, "--cutoff", "fixed", cutoff, "--out", str(tmp_path / "run")]) == 0
    table = capsys.readouterr().out
    assert ("set: prediction sets that hold the truth" in table, "as full" in table) == (shown, True)
    head = next(line for line in table.splitlines() if "as full" in line)
    assert head.split()[-1] == ("set" if shown else "full")
    assert main(["report", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text().partition("<h2>Accuracy against time</h2>")[0]
    assert page.count("<th>") == 2 * (9 + shown)  # the default rule, the other one
    assert page.count("<td>") == 3 * (9 + shown)
    assert ("<th>sets that hold the truth</th>" in page) == shown
    note = f"No pictures: the evaluation is of recorded outputs, {html.escape(outputs)}."
    assert note in (tmp_path / "run" / "report.html").read_text()


def test_a_report_says_the_result_first_and_folds_all_rules_but_the_default(evaluated: Path, tmp_path: Path) -> None:
    assert main(["report", str(evaluated), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    evaluation = json.loads((evaluated / "evaluation.json").read_text())
    assert evaluation["default_rule"] == "confidence-2pt"
    row = evaluation["rules"][3]
    lead = page.partition("<p class=lead>")[2].partition("</p>")[0]
    assert lead.startswith(
        f"With confidence-2pt, nmnist names {100 * row['accuracy'][0]:.1f} % of 20 recordings right (95 % "
    )
    assert f"after {10 * row['mean_steps'][0]:.0f} ms on average" in lead
    folded = "".join(part.partition("</details>")[0] for part in page.split("<details>")[1:])
    for name in ("fixed-2pt", "topk-2pt", "ltt-2pt"):
        assert f"When {name} answers." in folded
    assert "When confidence-2pt answers." not in folded
    assert page.index("When confidence-2pt answers.") < page.index("<details>")
    assert "prefers-color-scheme: dark" in page


def test_wrong_answers_are_pictures_that_lead_to_the_evidence(evaluated: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(evaluated, run, ignore=shutil.ignore_patterns("report.html", "*.png"))
    document = json.loads((run / "evaluation.json").read_text())
    document |= {"default_rule": "topk-2pt"}
    (run / "evaluation.json").write_text(json.dumps(document))
    with (run / "decisions.csv").open(newline="") as file:
        rows = [one for one in csv.DictReader(file) if one["rule"] == "topk-2pt"]
    wrong = [one for one in rows if one["answer"] != one["truth"]]
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    links = re.findall(r'href="#(why-\d+)"', page)
    assert len(links) == len(set(links)) == len(wrong) > 0
    assert re.findall(r'<figure class=why id="(why-\d+)"', page) == links
    for one in wrong:
        assert f'alt="evidence and stops of all rules in {html.escape(one["recording"])}"' in page
    assert len(list(run.glob("wrong_*.png"))) == len(wrong)
    document["data"] = str(tmp_path / "elsewhere")
    (run / "evaluation.json").write_text(json.dumps(document))
    assert main(["report", str(run), "--overwrite"]) == 0
    page = (run / "report.html").read_text()
    assert "No pictures: " in page
    assert 'href="#why' not in page
    assert all(html.escape(one["recording"]) in page for one in wrong)


def test_why_shows_every_rule_on_one_recording(
    tmp_path: Path, evaluated: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = write_digits(tmp_path, 1, seed=7)
    picture = tmp_path / "why.png"
    assert main(["why", str(file), "--save", str(picture)]) == 0
    shown = capsys.readouterr().out
    for name in ("full window", "ltt-2pt", "fixed-2pt", "topk-2pt", "confidence-2pt"):
        assert name in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["why", str(file), "--save", str(picture)]) == 2
    capsys.readouterr()
    assert main(["why", str(file), "--save", str(picture), "--overwrite", "--json", "--cutoff", "confidence"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["run", str(file), "--once", "--json"]) == 0
    ran = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["answers"][1]["steps"] == ran["steps"]
    assert told["truth"] == file.parent.name
    assert main(["why", str(file), "--save", str(picture), "--overwrite", "--start", "99"]) == 4
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["why", str(file)]) == 0
    assert (tmp_path / f"why_{file.stem}_0s.png").is_file()


def test_rules_of_an_ensemble_are_measured_against_the_merged_ensemble() -> None:
    """Two members, both always right: nothing is lost, and everybody agrees with the full window."""
    from spikecut.pipeline.rules.ltt import fit_marginal
    from spikecut.pipeline.rules.sets.conformal import fit_conformal
    from spikecut.pipeline.rules.sets.nonconformity import SetOptions

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    one = rng.normal(0, 0.3, (300, 6, 4)).astype(np.float32)
    one[np.arange(300), :, labels] += 3
    data = RecordedOutputs(np.concatenate([one, one], axis=2), labels, members=2)
    seen, swept = assess(data, fit_marginal(data, 0.05))
    assert seen.accuracy.value == 1
    assert seen.loss.value == 0
    assert seen.agreement.value == 1
    assert swept.stops.mean() < 6
    sets = sweep(data, fit_conformal(data, 0.1, SetOptions("simes"))).sets
    assert sets is not None
    assert sets.shape == (300, 4)
    with pytest.raises(ConfigError, match="8 outputs a step are not those of 3 members"):
        RecordedOutputs(data.outputs, labels, members=3)


def test_figures_on_the_recordings_a_rule_was_fitted_on_are_called_flattering(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = str(evaluated / "outputs.npz")
    fit = ["calibrate", outputs, "--rule", "confidence", "confidence", "--tolerance", "0.1", "0.1"]
    assert main([*fit, "--out", str(tmp_path)]) == 0
    cutoff = str(tmp_path / "nmnist.confidence-10pt.json")
    assert main(["evaluate", outputs, "--cutoff", cutoff, "--out", str(tmp_path / "run")]) == 0
    assert "fitted on these very recordings" in capsys.readouterr().err
    page = tmp_path / "elsewhere" / "page.html"
    assert main(["report", str(tmp_path / "run"), "--out", str(page)]) == 0
    assert "so their figures flatter" in page.read_text()
    assert f"spikecut report {tmp_path / 'run'} --out {page}" in page.read_text()


def test_names_of_cutoffs_that_nobody_wrote_do_not_disturb(tmp_path: Path) -> None:
    from spikecut.tools.cutoff_lookup import available, called

    for name in ("ltt-1pt", "fixed-0.5pt", "fixed-xpt", "mood-1pt", "topk-1e-05pt"):
        (tmp_path / f"net.{name}.json").write_text("{}")
    assert available(tmp_path / "net.safetensors") == ["fixed-0.5pt", "ltt-1pt"]
    assert called("fixed", 1e-7) == "fixed-0.00001pt"


@pytest.mark.parametrize(
    "how",
    [
        ["--readout", "leaky", "--leak", "0.1"],
        ["--readout", "mean", "--temperature", "fitted"],
        ["--temperature", "t"],
        ["--temperature", "8"],
    ],
)
def test_rules_are_fitted_with_another_readout_and_keep_it(
    how: list[str], evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spikecut.pipeline.rules.cutoff_file import load_cutoff

    fit = [
        "calibrate",
        str(evaluated / "outputs.npz"),
        "--rule",
        "confidence",
        "topk",
        "patience",
        "--tolerance",
        "0.2",
    ]
    assert main([*fit, "--out", str(tmp_path), *how]) == 0
    told = capsys.readouterr().err
    assert ("mean calibration error on the other 14" in told) == ("fitted" in how)
    for rule in ("confidence", "topk", "patience"):
        readout = load_cutoff(tmp_path / f"nmnist.{rule}-20pt.json").cutoff.readout  # type: ignore[attr-defined]
        assert readout.kind == (how[1] if how[0] == "--readout" else "sum")
        assert (readout.temperatures is None) == (how[-2] != "--temperature")


def test_a_rule_is_held_against_the_full_window_as_it_reads_it() -> None:
    """The last output alone is right about as often as it can be, the sum of all always: no loss is due to stopping."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    outputs = (np.eye(3)[labels][:, None] * 0.3 + rng.normal(0, 0.5, (400, 30, 3))).astype(np.float32)
    recorded = RecordedOutputs(outputs, labels)
    last = Readout("last")
    assert recorded.correct()[:, -1].mean() - recorded.correct(last)[:, -1].mean() > 0.2
    waits = ThresholdCutoff("never", "confidence", np.full(30, np.inf), last)
    seen, _ = assess(recorded, waits)
    assert (seen.loss.value, seen.agreement.value) == (0.0, 1.0)
    assert seen.accuracy.value == pytest.approx(recorded.correct(last)[:, -1].mean())


def test_the_band_of_a_curve_leaves_out_a_fortieth_at_each_end() -> None:
    """Every draw is one of the recordings 0 to 99: the quantiles are those of these numbers."""
    banded = evaluation._banded(np.arange(100.0)[None], np.eye(100))
    np.testing.assert_allclose(banded, [[49.5, 2.475, 96.525]])


def test_too_sure_in_one_bin_and_not_sure_enough_in_another_do_not_cancel() -> None:
    """0.8 sure and wrong, 0.6 sure and right: (0.8 + 0.4) / 2."""
    logits = np.log(np.array([[8, 2], [6, 4]], np.float32))
    assert evaluation.expected_calibration_error(logits, np.array([False, True])) == pytest.approx(0.6)
