"""Files appear whole or not at all, whatever ends the writing."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compatibility.observed import RUN

from spikecut.models.card import ModelCard
from spikecut.models.files.checkpoint import save as save_network
from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, InUse, SourceError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.files.atomic_files import claimed, new_file, new_folder, write_bytes, write_text, write_together
from spikecut.pipeline.outputs_file import save_outputs
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.thresholds import ThresholdCutoff
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.cli import main
from spikecut.tools.recordings.convert import convert

from full_disk import full_disk
from small_training import SPEC


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def half_written(file: AbstractContextManager[Path], ends: BaseException) -> None:
    """A file that an error ends in the midst of writing."""
    with file as partial:
        (partial / "one" if partial.is_dir() else partial).write_text("half")
        raise ends


def test_a_file_appears_when_its_block_has_ended_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.npz"
    with new_file(target) as partial:
        assert partial.suffix == ".npz"
        np.savez(partial, one=1)
        assert not target.exists()
    with np.load(target) as saved:
        assert saved["one"] == 1
    assert names(target.parent) == ["a.npz"]


@pytest.mark.parametrize("ends", [KeyboardInterrupt(), ValueError("no"), OSError(errno.ENOSPC, "No space left")])
def test_whatever_ends_the_writing_the_old_file_stays_and_nothing_else(tmp_path: Path, ends: BaseException) -> None:
    target = tmp_path / "a.json"
    write_text(target, "before")
    with pytest.raises(EnvironmentProblem if isinstance(ends, OSError) else type(ends)):
        half_written(new_file(target, overwrite=True), ends)
    assert target.read_text() == "before"
    assert names(tmp_path) == ["a.json"]


def test_a_full_disk_says_which_file_and_why(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "before")
    with full_disk(), pytest.raises(EnvironmentProblem, match=r"/a: cannot be written: file too large"):
        write_bytes(tmp_path / "a", bytes(1000), overwrite=True)
    assert (tmp_path / "a").read_text() == "before"
    assert names(tmp_path) == ["a"]


def test_what_is_there_is_refused_before_the_work_and_again_after_it(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "before")
    with pytest.raises(ConfigError, match="exists already"), new_file(target):
        pytest.fail("the work began")
    target.unlink()
    late = new_file(target)
    late.__enter__().write_text("an hour's work")
    target.write_text("another's")
    with pytest.raises(ConfigError, match="has appeared meanwhile") as caught:
        late.__exit__(None, None, None)
    assert target.read_text() == "another's"
    assert (tmp_path / "a.1.txt").read_text() == "an hour's work"
    assert str(tmp_path / "a.1.txt") in str(caught.value.hint)


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    write_text(real, "before")
    real.chmod(0o600)
    link.symlink_to(real)
    write_text(link, "after", overwrite=True)
    assert link.is_symlink()
    assert real.read_text() == "after"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_device_is_never_replaced_and_a_folder_is_no_file(tmp_path: Path) -> None:
    for path in (Path(os.devnull), tmp_path):
        with pytest.raises(ConfigError):
            write_text(path, "x", overwrite=True)
    assert not Path(os.devnull).is_file()


def test_a_partial_file_that_is_kept_has_a_visible_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"):
        half_written(new_file(tmp_path / "a.mkv", keep_partial=True), ValueError("no"))
    assert names(tmp_path) == ["a.partial.mkv"]


def test_files_that_belong_together_are_all_old_or_all_new(tmp_path: Path) -> None:
    pair = {tmp_path / "card": b"old card", tmp_path / "weights": b"old weights"}
    write_together(pair)
    with full_disk(), pytest.raises(EnvironmentProblem):
        write_together({tmp_path / "card": b"new card", tmp_path / "weights": bytes(1000)}, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == pair


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a") as new:
        (new / "inner").mkdir()
        (new / "inner" / "one").write_text("1")
    with pytest.raises(ConfigError, match="exists already"), new_folder(tmp_path / "a"):
        pytest.fail("the work began")
    with pytest.raises(ValueError, match="no"):
        half_written(new_folder(tmp_path / "b"), ValueError("no"))
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a" / "inner" / "one").read_text() == "1"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"file/a: cannot be written: file exists"):
        write_text(tmp_path / "file" / "a", "x")
    with (
        pytest.raises(EnvironmentProblem, match="no such file"),
        new_file(tmp_path / "missing" / "a", make_folder=False),
    ):
        pytest.fail("the work began")


def test_a_second_writer_of_the_same_name_is_refused_and_the_first_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "a"
    refused: list[BaseException] = []

    def second() -> None:
        try:
            write_text(target, "second", overwrite=True)
        except InUse as error:
            refused.append(error)

    for first in (new_file(target), claimed(target)):
        with first:
            other = threading.Thread(target=second)
            other.start()
            other.join()
            if not refused[1:]:
                (tmp_path / ".a.partial").write_text("first")
    assert [str(error) for error in refused] == [f"{target}: another process is writing it"] * 2
    assert isinstance(refused[0], SourceError)
    assert target.read_text() == "first"
    assert names(tmp_path) == ["a"]


def test_who_has_claimed_a_name_may_write_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "a", tmp_path / "b"):
        write_text(tmp_path / "a", "1")
        write_text(tmp_path / "a", "2", overwrite=True)
    assert names(tmp_path) == ["a"]
    write_text(tmp_path / "b", "3")


_HOLDS = """
import sys, time
from pathlib import Path
from spikecut.pipeline.files.atomic_files import new_file
with new_file(sys.argv[1], overwrite=True) as partial:
    partial.write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
    partial.write_text("whole")
"""


def writing(target: Path) -> "subprocess.Popen[str]":
    """Another process in the midst of writing a file, which ends it at a line on its standard input."""
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "writing\n"
    return other


def test_of_two_processes_on_one_file_the_second_is_refused_and_nothing_finished_is_lost(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_text(target, "before")
    other = writing(target)
    with pytest.raises(InUse, match="another process is writing it"):
        write_text(target, "second", overwrite=True)
    assert target.read_text() == "before"
    other.communicate("\n")
    assert other.returncode == 0
    assert target.read_text() == "whole"
    assert names(tmp_path) == ["a.json"]


def test_a_process_that_was_killed_leaves_the_old_file_and_no_lock(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_text(target, "before")
    other = writing(target)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert target.read_text() == "before"
    write_text(target, "after", overwrite=True)
    assert target.read_text() == "after"
    assert names(tmp_path) == ["a.json"]


def test_who_waits_goes_on_when_the_other_has_ended(tmp_path: Path) -> None:
    target, order = tmp_path / "a", list[str]()

    def second() -> None:
        with claimed(target, wait=True):
            order.append("second")

    with claimed(target):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.05)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def saved_cutoff(path: Path, *, overwrite: bool = False) -> None:
    rule = ThresholdCutoff("topk", "top2_gap", np.arange(40.0) / 3)
    FittedCutoff(rule, "f" * 64, ("a", "b"), 10_000, 0.02, 48, "0" * 64).save(path, overwrite=overwrite)


def saved_outputs(path: Path, *, overwrite: bool = False) -> None:
    outputs = np.random.default_rng(0).normal(size=(8, 6, 4)).astype(np.float32)
    save_outputs(path, RecordedOutputs(outputs, np.zeros(8, np.int64)), {}, overwrite=overwrite)


def converted(path: Path, *, overwrite: bool = False) -> None:
    t = np.arange(0, 60_000, 10)
    events = np.zeros(len(t), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")])
    events["t"] = t
    source = path.with_name("source.bin")
    if not source.exists():
        write_atis(source, [EventBatch.from_structured(events, SensorSize(128, 128))])
    convert(source, path, overwrite=overwrite, sensor=SensorSize(128, 128))


def saved_card(path: Path, *, overwrite: bool = True) -> None:
    card = ModelCard(path.stem, SPEC, ("a", "b"), SPEC.frame, 5)
    save_network(path.parent, card, torch.nn.Linear(40, 40))


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (saved_cutoff, "cutoff.json"),
        (saved_outputs, "outputs.npz"),
        (converted, "events.bin"),
        (converted, "events.aedat"),
        (converted, "events.h5"),
        (saved_card, "network.json"),
    ],
)
def test_a_full_disk_leaves_every_kind_of_file_as_it_was(write: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with full_disk(256), pytest.raises(EnvironmentProblem, match="cannot be written"):
        write(path, overwrite=True)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


@pytest.mark.parametrize("command", [["report", "RUN"], ["results", "RUNS"]])
def test_a_command_replaces_a_file_only_when_it_is_asked_to(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(RUN, tmp_path / "runs" / "seed0")
    where = {"RUN": str(tmp_path / "runs" / "seed0" / "evaluation"), "RUNS": str(tmp_path / "runs")}
    target = tmp_path / "mine"
    target.write_text("mine")
    words = [where.get(word, word) for word in command]
    assert main([*words, "--out", str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main([*words, "--out", str(target), "--overwrite"]) == 0
    before = target.read_bytes()
    assert before != b"mine"
    with full_disk(256):
        code = main([*words, "--out", str(target), "--overwrite"])
    assert code == 5, capsys.readouterr().err
    assert target.read_bytes() == before


def test_names_from_files_are_printed_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\x1b[2J\u202eb.bin"
    path.write_bytes(b"")
    assert main(["info", str(path)]) != 0
    said = capsys.readouterr().err
    assert "a\\x1b[2J\\u202eb.bin" in said
    assert "\x1b" not in said
