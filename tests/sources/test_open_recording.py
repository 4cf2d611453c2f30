"""The door for files: whatever lies behind it, one of the formats or one clear sentence."""

import gzip
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError, EmptyRecording, SourceError, UnknownFormat, UnreadableSource
from spikecut.sources import open_recording
from spikecut.tools.cli import main

from source_contract import DATA, check_source, golden, opened, write_golden


@pytest.mark.parametrize("name", sorted(golden()))
def test_the_golden_recordings_hold_what_they_always_held(name: str) -> None:
    found = check_source(opened(DATA / name))
    assert {"events": len(found.t), **found.digests()} == golden()[name]
    assert not found.lost


def test_the_golden_recordings_can_be_made_again(tmp_path: Path) -> None:
    write_golden(tmp_path)
    assert (tmp_path / "golden.toml").read_text() == (DATA / "golden.toml").read_text()


@pytest.mark.parametrize(("x", "y"), [(37, 32), (31, 139), (80, 75), (82, 73)])
def test_an_atis_recording_may_begin_like_another_format(tmp_path: Path, x: int, y: int) -> None:
    """At (37, 32) it begins like a Prophesee recording, at (31, 139) like gzip: one of 21,600 files does."""
    path = tmp_path / "image_0031.bin"
    path.write_bytes(bytes([x, y, 0x80, 1, 0]) * 20)
    found = check_source(open_recording(path))
    assert (found.x.tolist(), found.y.tolist()) == ([x] * 20, [y] * 20)


def test_zero_bytes_are_an_empty_recording(tmp_path: Path) -> None:
    (tmp_path / "none.aedat").touch()
    with pytest.raises(EmptyRecording, match="0 bytes"):
        open_recording(tmp_path / "none.aedat")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=r"gone\.aedat"):
        open_recording(tmp_path / "gone.aedat")
    with pytest.raises(UnreadableSource, match="directory"):
        open_recording(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on POSIX systems only")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.raw")
    with pytest.raises(UnreadableSource, match="is a pipe") as caught:
        open_recording(tmp_path / "pipe.raw")
    assert "spikecut run - <" in str(caught.value.hint)


def test_a_zero_byte_in_a_name_is_an_error_of_ours() -> None:
    with pytest.raises(UnreadableSource, match="null byte"):
        open_recording("a\0b.raw")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.aedat"
    path.write_bytes(b"#!AER-DAT2.0\r\n")
    path.chmod(0)
    with pytest.raises(UnreadableSource, match="permission"):
        open_recording(path)


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        (gzip.compress(b"events", mtime=0), "gzip"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"0.003811 96 133 0\n0.003820 96 133 1\n", "text"),
        (b"\x01\x02\x03\x04\x05", "begins with"),
    ],
)
def test_an_unknown_file_is_described_with_what_could_be_read_instead(
    tmp_path: Path, content: bytes, looks_like: str
) -> None:
    path = tmp_path / "stranger.dat"
    path.write_bytes(content)
    with pytest.raises(UnknownFormat, match=looks_like) as caught:
        open_recording(path)
    assert "AEDAT 2.0" in str(caught.value)


def test_a_zip_archive_is_told_from_a_recording_by_its_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digits.bin", "w") as archive:
        archive.writestr("0.bin", b"\0" * 5)
    with pytest.raises(UnknownFormat, match="zip"):
        open_recording(tmp_path / "digits.bin")


def test_a_real_recording_in_text_without_a_header_is_refused_by_name(real_data: Path) -> None:
    with pytest.raises(SourceError, match="text"):
        open_recording(real_data / "formats" / "rpg_events.txt")


def test_a_batch_holds_at_least_one_event(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 events"):
        open_recording(DATA / "tiny.aedat", batch_events=0)


def test_the_door_opens_without_loading_what_lies_behind() -> None:
    code = "import sys, spikecut.sources; print([m for m in ('h5py', 'numba', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


COMMANDS = ["info", "run", "why", "convert FILE out.h5", "replay", "calibrate", "report", "results FILE --csv out.csv"]
COMMANDS += ["evaluate FILE --continuous", "evaluate FILE --out run"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_no_file_can_have_is_unreadable_and_an_empty_one_is_no_name(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a" * 300 + ".csv"
    for long in (name, f"{tmp_path}/{name}"):
        assert main(_with(long, command)) == 4
        assert f"{name}: file name too long" in capsys.readouterr().err
    assert main(_with("", command)) == 2
    assert "'' is no name of a file or folder" in capsys.readouterr().err


def _with(name: str, command: str) -> list[str]:
    words = command.split()
    return [name if word == "FILE" else word for word in words] if "FILE" in words else [*words, name]
