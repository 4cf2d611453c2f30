"""The pages of `docs/data` run on files in the genuine layouts, which do not say that they are simulated.

Tolerances are larger here, since there are few recordings; a training is one epoch. Recipes are run in
`tests/tools/training`.
"""

from pathlib import Path

import pytest

from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.sources.formats.aedat2 import write_aedat2
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.sources.simulation.gestures import DrawnSession, write_session

from printed_pages import ROOT, run_page
from source_contract import DVS128, pattern

INSTEAD = {"--tolerance": "0.9", "--speed": "100"}


def smaller(words: list[str]) -> list[str] | None:
    """A command with less to do; none in the place of recipes and of what they make."""
    if words[1] == "recipe" or any("cifar10dvs/" in word for word in words):
        return None
    changed = [INSTEAD.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if words[1] == "calibrate" and "--tolerance" not in words:
        changed += ["--tolerance", INSTEAD["--tolerance"]]
    return [*changed, *(["--epochs", "1"] if words[1] == "train" else [])]


def run_all(page: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Runs the commands of a page in the present folder; returns what they wrote on stderr."""
    answers = run_page((ROOT / "docs" / "data" / page).read_text(encoding="utf-8"), capsys, smaller)
    return "".join(answer.err for answer in answers.values())


@pytest.mark.slow  # draws six people, and trains
def test_sessions_of_dvs128_gesture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "DvsGesture"
    names = [write_session(folder, DrawnSession(user, "led", quick=True)).name for user in (1, 2, 3, 4, 6, 24)]
    (folder / "trials_to_train.txt").write_text("".join(f"{name}\n" for name in names[:-1]))
    (folder / "trials_to_test.txt").write_text(f"{names[-1]}\n")
    err = run_all("dvs128-gesture.md", capsys)
    assert "are suspended until `spikecut calibrate`" in err
    assert not load_cutoff(tmp_path / "gestures.ltt-90pt.json").simulated


@pytest.mark.slow
def test_n_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("Train", "Test"):
        for path in write_digits(tmp_path / "drawn" / part, 60, seed=len(part)):
            target = tmp_path / "N-MNIST" / part / path.parent.name / f"{int(path.stem[-3:]) + 1:05d}.bin"
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    run_all("n-mnist.md", capsys)


def test_n_caltech101(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for at, name in enumerate(("airplanes", "ant", "barrel", "yin_yang")):
        (tmp_path / "Caltech101" / name).mkdir(parents=True)
        for k in range(6):
            write_atis(tmp_path / "Caltech101" / name / f"image_{k + 1:04d}.bin", [pattern(4_000 + 100 * at + k)])
    assert "are suspended until `spikecut calibrate`" in run_all("n-caltech101.md", capsys)


def test_cifar10_dvs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("airplane", "ship"):
        (tmp_path / "CIFAR10DVS" / name).mkdir(parents=True)
        for k in range(3):
            write_aedat2(tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_{k}.aedat", [pattern(500)], DVS128)
    run_all("cifar10-dvs.md", capsys)
