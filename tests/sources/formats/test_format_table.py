"""Truths about the table of formats itself: what is chosen by it, and where people read of it."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.formats import FORMATS, known_formats, recording_suffixes, written_formats
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.signatures import other_kind
from spikecut.tools.recordings.convert import format_to_write

PAGE = Path(__file__).parents[3] / "docs" / "formats.md"


@pytest.mark.parametrize("name", FORMATS)
def test_the_readme_names_every_format_with_its_suffixes(name: str) -> None:
    (paragraph,) = re.findall(r"^\*\*Reads\*\*.*?\n\n", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    text = " ".join(paragraph.split())
    assert FORMATS[name].name in text
    assert all(f"`{suffix}`" in text for suffix in FORMATS[name].suffixes)


@pytest.mark.parametrize("name", FORMATS)
def test_messages_name_every_format_with_its_suffixes(name: str) -> None:
    assert FORMATS[name].name in known_formats()
    assert all(suffix in known_formats() for suffix in FORMATS[name].suffixes)


def test_the_help_of_convert_names_every_usual_suffix_that_is_written() -> None:
    from spikecut.tools.commands.files.convert import Convert

    assert all(row.suffixes[0] in Convert.more_help() for row in written_formats().values())


def test_the_signature_of_a_format_is_that_of_no_other_kind() -> None:
    heads = (
        b"#!AER-DAT2.0\r\n",
        b"#!AER-DAT3.1\r\n",
        b"\x89HDF\r\n\x1a\n",
        b"\x93NUMPY\x01\x00",
        b"\0\0\0\x18ftypmp42",
        b"% evt 3.0\n% end\n",
        b"% evt 2.0\r\n\x01",
        b"% format EVT21;height=720;width=1280\n",
        b"% Version 2\n\x0c\x08",
        b"% camera 1\n\x00\x08",
        b"% camera 1\n% end\n\x01",
        b"% evt 4.0\n% end\n",
        b"Event Stream\x02\x00\x00\x01",
    )
    for head in (*heads, b"RIFF\0\0\0\0AVI LIST", b"\x1aE\xdf\xa3\x01"):
        assert sum(row.recognise is not None and row.recognise(head) for row in FORMATS.values()) == 1
    for head in (b"RIFF\0\0\0\0WAVEfmt ", b"PK\x03\x04"):
        assert other_kind(head) is not None
        assert not any(row.recognise is not None and row.recognise(head) for row in FORMATS.values())


def test_the_suffix_of_a_target_chooses_its_format_unless_one_is_named() -> None:
    assert format_to_write(Path("a.AEDAT")) is FORMATS["aedat2"]
    assert format_to_write(Path("a.hdf5")) is FORMATS["hdf5"]
    assert format_to_write(Path("a.aedat"), "aedat3") is FORMATS["aedat3"]
    with pytest.raises(ConfigError, match="'video' is not written") as caught:
        format_to_write(Path("a.mp4"), "video")
    assert caught.value.hint == f"use {', '.join(written_formats())}"
    with pytest.raises(ConfigError, match=r"suffix '\.mp4'"):
        format_to_write(Path("a.mp4"))
    assert format_to_write(Path("a.npy")) is FORMATS["npy"]


def test_text_counts_as_recordings_only_where_its_layout_is_given() -> None:
    assert set(recording_suffixes(text=True)) - set(recording_suffixes()) == {".txt", ".csv", ".tsv"}


def test_a_format_is_refused_by_name_where_what_it_needs_is_missing(tmp_path: Path) -> None:
    needy = dataclasses.replace(FORMATS["atis"], needs=("sensor",))
    with pytest.raises(ConfigError, match="ATIS bin does not say how large its sensor is"):
        needy.open(tmp_path / "a.bin", DEFAULTS)
    with pytest.raises(ConfigError, match="is read, not written"):
        FORMATS["video"].write(tmp_path / "a.mp4", [], ReadOptions().sensor)  # type: ignore[arg-type]


def test_opening_one_format_loads_no_other() -> None:
    code = (
        "import sys; from spikecut import open_recording; from spikecut.sources.formats import FORMATS\n"
        "open_recording(sys.argv[1])\n"
        "print([name for name, row in FORMATS.items() if row.reader.split(':')[0] in sys.modules])"
    )
    tiny = Path(__file__).parents[2] / "data" / "tiny.bin"
    done = subprocess.run([sys.executable, "-c", code, tiny], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['atis']"
