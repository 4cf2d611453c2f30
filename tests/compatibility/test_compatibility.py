"""Truths about what users have: files, commands and names of before go on, and decide as they did, to the bit.

The fixtures were made by `make_fixtures.py` before modules moved to other folders. Where the versions of torch, NumPy,
Norse or SciPy, or the instructions of the processor, are others than then, floats may differ in their last digits:
then scores are compared to 1 part in 10,000, and of recordings whose score lay on a threshold one in twenty may differ.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from compatibility import observed

import spikecut
from spikecut.tools.cli import main

BEFORE: dict[str, Any] = json.loads((observed.DATA / "decisions.json").read_text())
NAMES: dict[str, Any] = json.loads((observed.HERE / "names.json").read_text())
SAME = BEFORE["made_with"] == observed.made_with()
CUTOFFS, OWN = observed.cutoffs(), observed.own_cutoffs()


def agree(now: Any, before: Any, *, same: bool = SAME) -> bool:
    """Equal to the bit; on another machine, floats nearly so. Through JSON, which keeps every digit of a float."""
    now = json.loads(json.dumps(now))
    if same or isinstance(now, str | int | None):
        return bool(now == before)
    if isinstance(now, float):
        return now == pytest.approx(before, rel=1e-4, abs=1e-6)
    if isinstance(now, dict):
        return now.keys() == before.keys() and all(agree(now[name], before[name], same=same) for name in now)
    return len(now) == len(before) and all(agree(one, two, same=same) for one, two in zip(now, before, strict=True))


def nearly_all(now: Sequence[Any], before: Sequence[Any]) -> bool:
    """Every entry; on another machine, all but one in twenty, and one of a few."""
    different = sum(not agree(one, other) for one, other in zip(now, before, strict=True))
    return different <= (0 if SAME else max(1, len(before) // 20))


def test_there_is_a_cutoff_of_every_rule_and_of_every_type_that_is_stored() -> None:
    stored = [json.loads(path.read_text())["decider"] for path in CUTOFFS.values()]
    names = {path.name.split("-")[0].removeprefix("corners.").removesuffix(".json") for path in CUTOFFS.values()}
    assert names >= set(NAMES["choices"]["rules"])
    text = json.dumps(stored)
    assert [name for name in NAMES["choices"]["deciders"] if f'"type": "{name}"' not in text] == []
    assert BEFORE["swept"].keys() == CUTOFFS.keys()
    early = {name: set(BEFORE["swept"][name]["calibration stops"]) != {f"{observed.HORIZON:x}"} for name in CUTOFFS}
    assert len(CUTOFFS) - sum(early.values()) <= 2  # nearly all stop early, so there is something to compare


@pytest.mark.parametrize("name", CUTOFFS)
def test_a_cutoff_of_every_rule_still_decides_as_it_did(name: str) -> None:
    before, now = BEFORE["swept"][name], observed.swept(CUTOFFS[name])
    assert now.keys() == before.keys()
    for what in now:
        assert nearly_all(now[what], before[what]), what


@pytest.mark.parametrize("name", BEFORE["stopped"])
def test_a_stream_is_still_stopped_where_it_was(name: str) -> None:
    assert nearly_all(observed.stopped(observed.NETWORK, CUTOFFS[name]), BEFORE["stopped"][name])


@pytest.mark.parametrize("name", [*BEFORE["told"], None])
def test_the_command_still_says_what_it_said(name: str | None) -> None:
    before = BEFORE["told"][name] if name else BEFORE["default"]["run"]
    assert nearly_all(observed.told(observed.NETWORK, *(["--cutoff", name] if name else [])), before)


@pytest.mark.parametrize("name", BEFORE["stopped"])
def test_a_stream_is_stopped_where_it_was_by_the_engine_that_commands_choose(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed, "ENGINE", "auto")
    now, before = observed.stopped(observed.NETWORK, CUTOFFS[name]), BEFORE["stopped"][name]
    assert sum(not agree(one, two, same=False) for one, two in zip(now, before, strict=True)) <= (
        0 if SAME else max(1, len(before) // 20)
    )


def test_the_shipped_networks_decide_as_they_did_by_the_engine_that_commands_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observed, "ENGINE", "auto")
    now = observed.shipped()
    if now["drawn digits"] != BEFORE["shipped"]["drawn digits"] and not SAME:
        pytest.skip("the digits are drawn otherwise here: other floats")
    assert [what for what in now if not agree(now[what], BEFORE["shipped"][what], same=False)] == []


def test_rules_that_really_stop_are_replayed_as_before() -> None:
    assert agree(observed.replayed(), BEFORE["replayed"])


def test_a_stored_cutoff_is_written_as_it_was_read(tmp_path: Path) -> None:
    for name, path in CUTOFFS.items():
        spikecut.load_cutoff(path).save(tmp_path / "again.json", overwrite=True)
        assert (tmp_path / "again.json").read_text() == path.read_text(), name


def test_a_cutoff_of_version_1_decides_as_the_same_rule_of_version_2_or_is_refused_with_its_name() -> None:
    for where, now in observed.version_1().items():
        before = BEFORE["version 1"][where]
        if now != before:  # read, since then
            code, _, decision = now.partition(" ")
            rule = Path(where).name.removeprefix("nmnist.").removesuffix(".json")
            twin = BEFORE["shipped"][f"nmnist {rule}"]
            assert code == "0"
            assert {"label": twin["label"], "steps": twin["steps"]}.items() <= json.loads(decision).items()


def test_a_network_of_ones_own_keeps_its_fingerprint_and_so_its_cutoffs() -> None:
    _, card = spikecut.load_network(observed.OWN)
    for path in OWN.values():
        spikecut.load_cutoff(path).check(card.weights_sha256, card.classes, card.spec.step_us)
    for name, path in OWN.items():
        assert observed.stopped(observed.OWN, path) == BEFORE["own"][name]  # its sums are exact on any machine
        assert observed.told(observed.OWN, "--cutoff", name) == BEFORE["own told"][name]


def test_every_layer_and_cell_keeps_the_fingerprint_of_networks_made_of_it() -> None:
    if any(BEFORE["made_with"][name] != observed.made_with()[name] for name in ("torch", "norse")):
        pytest.skip("attributes of torch's and Norse's modules, which count, change with their versions")
    now = observed.fingerprints()  # networks may be added
    assert {name: now[name] for name in BEFORE["fingerprints"]} == BEFORE["fingerprints"]


def test_the_shipped_networks_say_what_they_said() -> None:
    now = observed.shipped()
    if now["drawn digits"] != BEFORE["shipped"]["drawn digits"] and not SAME:
        pytest.skip("the digits are drawn otherwise here: other floats")
    assert now.keys() == BEFORE["shipped"].keys()
    for what in now:
        assert agree(now[what], BEFORE["shipped"][what]), what


def test_recordings_of_every_format_are_read_to_the_bit() -> None:
    now = observed.columns()
    assert {name: now.get(name) for name in BEFORE["columns"]} == BEFORE["columns"]


def test_a_run_folder_gives_the_tables_that_it_gave() -> None:
    """Below the head every line of before, in its order; lines, and columns at the end, were added since."""
    now, before = (text[text.index("## ") :] for text in (observed.results(), BEFORE["results"]["stdout"]))
    if not SAME:
        assert now.split("|")[0] == before.split("|")[0]
        return
    lines = iter(line.replace("|  |  |", "|  | |") for line in now.splitlines())
    assert [old for old in before.splitlines() if not any(line.startswith(old) for line in lines)] == []


def test_an_evaluation_comes_out_as_the_stored_one(tmp_path: Path) -> None:
    stored = observed.RUN / "evaluation"
    model = ["--model", str(observed.NETWORK), "--part", "test"]
    assert main(["evaluate", str(stored / "outputs.npz"), *model, "--out", str(tmp_path)]) == 0
    now, before = (json.loads((folder / "evaluation.json").read_text()) for folder in (tmp_path, stored))
    assert [key for key in now if key not in ("files", "default_rule", "early")] == list(before)  # these came later
    for what in set(before) - {"command", "data"}:
        assert agree(now[what], before[what]), what
    if SAME:
        for table in ("anytime.csv", "decisions.csv"):
            assert (tmp_path / table).read_text() == (stored / table).read_text()


def test_calibrating_recorded_outputs_again_writes_the_same_files(tmp_path: Path) -> None:
    rules = [name for name in NAMES["choices"]["rules"] if name != "calimera"]
    model = ["--model", str(observed.NETWORK), "--tolerance", "0.05", "--or-never", "--out", str(tmp_path)]
    shutil.copy(observed.RUN / "corners.policy.json", tmp_path)
    shutil.copy(observed.RUN / "corners.policy.safetensors", tmp_path)
    assert main(["calibrate", str(observed.RUN / "calibration.npz"), *model, "--rule", *rules]) == 0
    written = {path.name for path in tmp_path.glob("*pt.json")}
    assert written == {f"corners.{rule}-5pt.json" for rule in rules}
    for name in written:
        now, before = (json.loads((folder / name).read_text()) for folder in (tmp_path, observed.RUN))
        assert agree(now, before), name


def test_the_command_runs_as_a_module_on_files_of_before() -> None:
    stream = observed.streams()[0]
    name = next(name for name in BEFORE["told"] if "planned-5pt" in name)
    words = ["run", str(stream), "--model", str(observed.NETWORK), "--once", "--json", "--cutoff", str(CUTOFFS[name])]
    done = subprocess.run([sys.executable, "-m", "spikecut", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before = BEFORE["told"][name][0]
    assert agree({**json.loads(done.stdout), "file": before.get("file")}, {**before, "file": before.get("file")})


# Their default is the network that knows the classes of the data, which for recordings of digits is the same.
ELSEWHERE = {(name, "model"): ["None", "str | None"] for name in ("replay", "calibrate", "evaluate")}
ELSEWHERE["evaluate", "out"] = ["None", "Path | None"]  # needed as before, but not with --continuous
ELSEWHERE["info", "file"] = ["None", "Path | None"]  # without one it says what a network is


@pytest.mark.parametrize("name", NAMES["commands"])
def test_every_command_takes_the_flags_that_it_took(name: str) -> None:
    now, before = observed.flags(name), NAMES["commands"][name]
    assert set(now["--help"]) >= set(before["--help"])
    for flag in before.keys() - {"--help"}:
        expected = ELSEWHERE.get((name, flag), before[flag])
        assert now[flag][0] == expected[0], flag
        assert set(now[flag]) >= set(expected), flag  # a choice may be added


@pytest.mark.parametrize("what", NAMES["choices"])
def test_every_typed_or_stored_name_is_still_known(what: str) -> None:
    now = observed.choices()[what]
    assert [name for name in NAMES["choices"][what] if name not in now] == []


def test_every_shipped_recipe_says_what_it_said() -> None:
    now = observed.recipes()
    assert {name: now.get(name) for name in NAMES["recipes"]} == NAMES["recipes"]


def test_json_that_is_printed_or_written_has_the_keys_that_it_had() -> None:
    now = observed.json_keys()
    lost = {what: sorted(set(keys) - set(now[what])) for what, keys in NAMES["json"].items()}
    assert {what: keys for what, keys in lost.items() if keys} == {}


GONE = {"spikecut.sources.faults"}  # only tests used it; it is tests/faults.py now


@pytest.mark.parametrize("module", [name for name in NAMES["modules"] if name not in GONE])
def test_every_public_name_of_before_can_still_be_imported(module: str) -> None:
    found = import_module(module)
    assert [name for name in NAMES["modules"][module] if not hasattr(found, name)] == []


@pytest.mark.slow
def test_a_recipe_of_ones_own_still_leaves_the_files_that_it_left(tmp_path: Path) -> None:
    for less, part in enumerate(("train", "calibration", "test")):
        for path in observed.streams():
            folder = tmp_path / "drawn" / part / path.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            for at in range(4):  # no recording twice: each ends some events, of 5 bytes, earlier
                (folder / f"{path.stem}_{at}.bin").write_bytes(path.read_bytes()[: -5 * (1 + 3 * at + less)])
    recipe = str(observed.DATA / "corners.toml")
    words = ["recipe", recipe, "--data", str(tmp_path / "drawn"), "--out", str(tmp_path / "run"), "--epochs", "1"]
    assert main(words) == 0
    written = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*")}
    depends = ("confusion_", "decisions_", "early_loss")  # pictures of what the rules did
    wanted = {name for name in NAMES["files"]["recipe"] if not Path(name).name.startswith(depends)}
    assert wanted - written == set()


def test_a_decision_has_the_fields_that_it_had() -> None:
    fields = ["label", "steps", "reason", "score", "start_us", "time_us", "n_events", "total", "classes"]
    now = dataclasses.fields(spikecut.Decision)
    assert [one.name for one in now][: len(fields)] == fields
    assert all(one.default is not dataclasses.MISSING for one in now[len(fields) :])
