"""Truths about a network in a Python file: every command takes it, and what is wrong in it is said with its line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

import spikecut
from spikecut.models.files import opening
from spikecut.pipeline.errors import ModelError
from spikecut.sources.simulation.drawn_digits import SENSOR, write_digits
from spikecut.tools.cli import main

FILE = '''
"""Digits by where events fall, at half the resolution of the sensor: a linear readout into Norse's integrators."""

from pathlib import Path

import norse.torch as snn
import torch
from spikecut import SensorSize, from_norse

readout = torch.nn.Linear(2 * 17 * 17, 10, bias=False)
readout.load_state_dict(torch.load(Path(__file__).with_name("weights.pt")))
network = from_norse(
    snn.SequentialState(torch.nn.Flatten(), readout, snn.LIBoxCell(dt=0.01)),
    classes="0 1 2 3 4 5 6 7 8 9".split(),
    step_us=10_000,
    sensor=SensorSize(34, 34),
    frame=SensorSize(17, 17),
    horizon=30,
)
print("made", network.card.name)
if __name__ == "__main__":
    raise SystemExit("not to be run")
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn digits, and `my_network.py` with weights by least squares on these very drawings."""
    folder = tmp_path_factory.mktemp("mine")
    binner = spikecut.CountBinner(SENSOR, 300_000, downsample=2)
    files = write_digits(folder / "digits", 12, seed=0)
    whole = [next(iter(binner.bins(spikecut.open_recording(file, sensor=SENSOR)))).pixels for file in files]
    counts = np.stack(whole).reshape(12, -1).astype(np.float64)
    kernel = counts @ counts.T
    answers = np.linalg.solve(kernel + 0.1 * np.trace(kernel) / 12 * np.eye(12), np.eye(10)[np.arange(12) % 10])
    torch.save({"weight": torch.from_numpy(5 * answers.T @ counts).float()}, folder / "weights.pt")
    (folder / "my_network.py").write_text(FILE)
    return folder


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """A folder of its own for every test."""
    for name in ("my_network.py", "weights.pt"):
        shutil.copy(made / name, tmp_path)
    return tmp_path


def test_every_command_takes_it(made: Path, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, digits = ["--model", str(mine / "my_network.py")], str(made / "digits")
    fit = ["calibrate", digits, *model, "--part", "all", "--rule", "ltt", "confidence", "--or-never"]
    assert main(fit) == 0
    assert "my_network: fitted on 12 recordings" in capsys.readouterr().out
    assert {path.name for path in mine.glob("*.json")} == {"my_network.ltt-2pt.json", "my_network.confidence-2pt.json"}

    assert main(["replay", digits, *model, "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert "made network" in captured.err
    assert report["model"] == "my_network"
    rows = {row["rule"]: row for row in report["rules"]}
    assert {"none", "ltt-2pt", "confidence-2pt"} <= set(rows)
    assert rows["none"]["n_right"] == 12
    assert rows["confidence-2pt"]["mean_steps"][0] < rows["none"]["mean_steps"][0]

    out = str(mine / "evaluation")
    assert main(["evaluate", digits, *model, "--part", "all", "--out", out]) == 0
    assert main(["evaluate", f"{out}/outputs.npz", *model, "--out", f"{out}2"]) == 0
    first, second = (json.loads((Path(one) / "evaluation.json").read_text()) for one in (out, f"{out}2"))
    assert first["rules"] == second["rules"]
    assert first["rules"][1]["mean_steps"][0] == pytest.approx(rows["confidence-2pt"]["mean_steps"][0], abs=1e-3)
    assert main(["calibrate", f"{out}/outputs.npz", "--model", "nmnist"]) == 2
    assert "outputs of another network" in capsys.readouterr().err

    digit = str(made / "digits" / "3" / "drawn_003.bin")
    why = ["why", digit, *model, "--json", "--save", str(mine / "why.png"), "--cutoff", "confidence-2pt"]
    assert main(why) == 0
    _, answer = json.loads(capsys.readouterr().out)["answers"]
    assert main(["run", digit, *model, "--once", "--json", "--cutoff", "confidence"]) == 0
    decision = json.loads(capsys.readouterr().out)
    assert (decision["label"], decision["steps"]) == (answer["name"], answer["steps"])
    assert decision["truth"] == "3"
    assert main(["run", digit, *model, "--once", "--json"]) == 0  # what calibrate fits is what run takes
    assert json.loads(capsys.readouterr().out)["reason"] in ("horizon", "end_of_stream")


def test_cutoffs_belong_to_the_weights_in_every_process(
    made: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, digits = ["--model", str(mine / "my_network.py")], made / "digits"
    assert main(["calibrate", str(digits), *model, "--part", "all", "--rule", "fixed"]) == 0
    run = ["run", str(digits / "3" / "drawn_003.bin"), *model, "--once", "--cutoff", "fixed"]
    command = [sys.executable, "-m", "spikecut", *run]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    weights = torch.load(mine / "weights.pt")
    weights["weight"][0, 0] += 1e-3
    torch.save(weights, mine / "weights.pt")
    assert main(run) == 2
    assert "this cutoff was fitted for weights" in capsys.readouterr().err


def test_a_file_may_make_several_and_each_has_cutoffs_of_its_own(
    made: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = mine / "my_network.py"
    file.write_text(
        FILE + "layers = snn.SequentialState(torch.nn.Flatten(), torch.nn.Linear(578, 2))\n"
        "about = {'classes': ['a', 'b'], 'step_us': 20_000, 'sensor': SensorSize(17, 17)}\n"
        "other = from_norse(layers, name='letters', **about)\n"
    )
    network, card = spikecut.load_network(f"{file}:other")
    assert (network.n_outputs, card.name, card.classes) == (2, "letters", ("a", "b"))
    assert spikecut.load_network(f"{file}:network")[1].name == "my_network.network"
    digits = str(made / "digits")
    assert main(["calibrate", digits, "--model", f"{file}:network", "--part", "all", "--rule", "fixed"]) == 0
    assert [path.name for path in mine.glob("*.json")] == ["my_network.network.fixed-2pt.json"]
    digit = str(made / "digits" / "3" / "drawn_003.bin")
    assert main(["run", digit, "--model", f"{file}:network", "--once", "--cutoff", "fixed"]) == 0
    capsys.readouterr()
    assert main(["run", digit, "--model", str(file)]) == 2
    told = capsys.readouterr().err
    assert "my_network.py makes several networks: network, other" in told
    assert f"hint: name one: {file}:network" in told


def test_two_names_of_one_network_are_one_network(mine: Path) -> None:
    file = mine / "my_network.py"
    file.write_text(FILE + "alias = network\n")
    assert spikecut.load_network(file)[1].name == "my_network"


def test_a_file_may_import_its_neighbours_and_is_read_anew(mine: Path) -> None:
    """Also within the same second, where Python would trust bytecode that it has cached."""
    (mine / "layers_of_mine.py").write_text("from torch.nn import Flatten, Linear\n")
    text = dedent("""
        from layers_of_mine import Flatten, Linear
        import norse.torch as snn, spikecut
        net = snn.SequentialState(Flatten(), Linear(8, 2))
        network = spikecut.from_norse(net, classes=CLASSES, step_us=1, sensor=spikecut.SensorSize(2, 2))
    """)
    file = mine / "near.py"
    path = list(sys.path)
    for names in (("a", "b"), ("b", "a")):
        file.write_text(text.replace("CLASSES", repr(names)))
        assert spikecut.load_network(file)[1].classes == names
    assert sys.path == path
    assert not list(mine.glob("__pycache__/near*"))


def test_an_edited_class_is_another_network_and_a_remark_elsewhere_is_not(tmp_path: Path) -> None:
    text = dedent("""
        import spikecut, torch
        class Net(torch.nn.Module):
            def forward(self, x, state=None):
                return x.flatten(1)[:, :2] * 3, state
        about = {"classes": ["a", "b"], "step_us": 1, "sensor": spikecut.SensorSize(2, 2)}
        network = spikecut.from_norse(Net(), **about)
    """)
    file = tmp_path / "net.py"
    hashes = []
    for version in (text, text.replace("* 3", "* 5"), text + "# a remark\n"):
        file.write_text(version)
        hashes.append(spikecut.load_network(file)[1].weights_sha256)
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("\nimport nothing_of_this_name", "", "net.py, line 2: ModuleNotFoundError: No module named"),
        ("x = 1\ny = (", "", "net.py, line 2: SyntaxError"),
        ("def f():\n    return 1 / 0\n\nf()", "", "net.py, line 2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')", "", "net.py, line 2: JSONDecodeError"),
        ("import sys\nsys.exit(3)", "", "net.py, line 2: SystemExit: 3"),
        (
            "import spikecut\nspikecut.from_norse(len, classes=['a', 'b'], step_us=1, "
            "sensor=spikecut.SensorSize(2, 2))",
            "",
            "net.py, line 2: from_norse takes a torch.nn.Module",
        ),
        ("x = 1", "", "net.py makes no network\n"),
        ("x = 1", ":y", "net.py makes no network 'y'; there are: none"),
        ("x = 1", ":x", "net.py: 'x' is a int; expected what spikecut.from_norse returns"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(
    text: str, name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(text)
    write_digits(tmp_path, 1, seed=0)
    assert main(["run", str(tmp_path / "0" / "drawn_000.bin"), "--model", str(tmp_path / "net.py") + name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("name", ["nowhere.py", "nowhere.py:net", "folder.py", "my_network", "my_network.txt"])
def test_only_a_file_named_with_its_suffix_is_executed(name: str, mine: Path) -> None:
    (mine / "folder.py").mkdir()
    shutil.copy(mine / "my_network.py", mine / "my_network.txt")
    with pytest.raises(ModelError, match="no network") as caught:
        opening.locate(mine / name)
    assert "spikecut.from_norse" in str(caught.value.hint)


def test_it_cannot_be_trained_further_by_our_recipes(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(mine / "my_network.py")
    assert main(["train", "gestures", "--out", str(mine / "run"), "--start", file]) == 2
    assert "its own code trains it" in capsys.readouterr().err
