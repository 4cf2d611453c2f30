"""Archives and pictures that declare, or unpack to, more than they should: refused in a sentence, in little memory."""

import bz2
import io
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded, SpikecutError, UnreadableSource
from spikecut.pipeline.files.limits import VARIABLE
from spikecut.sources.datasets.images.cifar import cifar_files
from spikecut.sources.datasets.images.image_files import SUFFIXES, bytes_of, colours, files_in
from spikecut.sources.datasets.images.open_images import open_pictures
from spikecut.sources.datasets.images.picture_size import size_of
from spikecut.sources.datasets.images.plain_pickle import plain
from spikecut.tools.cli import main

import faults
from picture_layouts import as_python2, coloured, encoded, write_cifar, write_folders, zipped

ESCAPE = chr(27)


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares a size; its pixels are missing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    begin = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return begin + b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def archive_of(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return path


@pytest.mark.parametrize("suffix", [one for one in SUFFIXES if one != ".jpeg"] + [".webp"])
def test_the_size_of_a_picture_is_known_before_it_is_decoded(suffix: str) -> None:
    picture = np.zeros((3, 21, 37), np.uint8)
    raw = encoded(picture[:1] if suffix == ".pgm" else picture, suffix)
    assert size_of(raw) == (37, 21)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path / "set.zip", {"cat/0.png": png_of(30_000, 30_000)})
    with pytest.raises(
        LimitExceeded, match=r"0\.png: 30000 x 30000 = 900,000,000 pixels; at most 64,000,000"
    ) as caught:
        open_pictures(path).pictures[0].pixels()
    assert caught.value.hint is not None
    assert "--limit pixels=NUMBER" in caught.value.hint
    raw = encoded(coloured(0, np.random.default_rng(0)), ".png")
    monkeypatch.setenv(VARIABLE, "pixels=1000")
    with pytest.raises(LimitExceeded, match="32 x 32 = 1,024 pixels; at most 1,000"):
        colours(raw, path)
    monkeypatch.setenv(VARIABLE, "pixels=1024")
    assert colours(raw, path).shape == (3, 32, 32)


def test_a_limit_is_raised_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "pixels=1000")
    path = tmp_path / "one.png"
    path.write_bytes(encoded(coloured(0, np.random.default_rng(0)), ".png"))
    assert main(["info", str(path)]) == 4
    assert "hint: if the file is as it should be, raise the limit: --limit pixels=NUMBER" in capsys.readouterr().err
    assert main(["info", str(path), "--limit", "pixels=2_000"]) == 0
    assert main(["--limit=pixels=3000", "info", str(path)]) == 0
    capsys.readouterr()
    for words, sentence in (
        (["--limit", "pixel=9"], "no limit is called 'pixel'; did you mean 'pixels'?"),
        (["--limit", "pixels=-1"], "pixels=-1; expected a whole number from 1"),
        (["--limit"], "--limit without NAME=NUMBER"),
    ):
        assert main(["info", str(path), *words]) == 2
        assert sentence in capsys.readouterr().err


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "set.zip", {"cat/0.png": b"x", "cat/1.png": b"\0" * 1_000})
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 4_000_000_000)
    path.write_bytes(raw)
    with pytest.raises(LimitExceeded, match="bytes unpack to 4,000,000,001"):
        files_in(path)


def test_a_member_larger_than_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive_of(tmp_path / "set.zip", {"cat/0.png": b"\0" * 100_000})
    monkeypatch.setenv(VARIABLE, "picture-bytes=50000")
    with pytest.raises(LimitExceeded, match=r"0\.png: declares 100,000 bytes, \d+ packed; at most 50,000"):
        bytes_of(path, "cat/0.png")
    (tmp_path / "0.png").write_bytes(bytes(60_000))
    with pytest.raises(LimitExceeded, match="more than 50,000 bytes"):
        bytes_of(tmp_path, "0.png")


def test_more_members_than_the_limit_are_refused_before_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path / "set.zip", {f"cat/{i}.png": b"x" for i in range(30)})
    monkeypatch.setenv(VARIABLE, "members=29")
    with pytest.raises(LimitExceeded, match="30 members; at most 29"):
        files_in(path)
    monkeypatch.setenv(VARIABLE, "members=30")
    assert len(files_in(path)) == 30


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_a_member_grows_no_further_than_it_declares(method: int, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "set.zip", {"cat/0.png": b"\0" * 300_000_000}, method)
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 1_000)
    path.write_bytes(raw)
    tracemalloc.start()
    with pytest.raises(UnreadableSource, match="damaged in its archive: it has more than the 1,000 bytes declared"):
        bytes_of(path, "cat/0.png")
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("method", [0, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_every_method_are_unpacked(method: int, tmp_path: Path) -> None:
    picture = encoded(coloured(0, np.random.default_rng(0)), ".png")
    path = archive_of(tmp_path / "set.zip", {"cat/käse.png": picture, "cat/empty.png": b""}, method)
    assert bytes_of(path, "cat/käse.png") == picture
    assert bytes_of(path, "cat/empty.png") == b""
    with pytest.raises(UnreadableSource, match="no such file in this archive"):
        bytes_of(path, "cat/2.png")


@pytest.mark.parametrize("method", [0, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_gives_what_is_whole_or_a_sentence(method: int, tmp_path: Path) -> None:
    pictures = {f"cat/{i}.png": encoded(coloured(i, np.random.default_rng(i)), ".png") for i in range(3)}
    data = archive_of(tmp_path / "set.zip", pictures, method).read_bytes()
    reasons = []
    for number, (_, mutant) in enumerate(faults.mutants(data, 150, seed=method)):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(mutant)
        try:
            for one in open_pictures(path).pictures:
                assert pictures.get(one.entry, b"") == bytes_of(path, one.entry) or one.entry not in pictures
        except SpikecutError as error:
            reasons.append(str(error))
    assert len(reasons) > 100
    assert all(reason.startswith(str(tmp_path)) and "\n" not in reason for reason in reasons)


def test_a_memo_of_a_quarter_billion_costs_nothing() -> None:
    tracemalloc.start()
    assert plain(b"\x80\x02}r\x00\x00\x00\x10U\x01aK\x01s.", Path("batch")) == {b"a": 1}
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_pickle_whose_tuples_double_is_refused_where_one_becomes_a_key() -> None:
    doubled = b"\x80\x02}(K\x01" + b"q\x00h\x00\x86" * 60 + b"K\x01u."  # a pair of the tuple before, sixty times
    with pytest.raises(CorruptRecording, match="a key that is a tuple"):
        plain(doubled, Path("batch"))
    with pytest.raises(CorruptRecording, match="nested deeper than 100 levels"):
        plain(b"\x80\x02" + b"(" * 1_000_000, Path("batch"))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_values_of_every_protocol_are_read(protocol: int) -> None:
    values = {b"a": [1, -5, 2**40, True, None, 0.5], b"b": {b"c": (1, 2, 3, 4), b"d": ()}, "e": "text"}
    if protocol < 3:  # bytes are then a call of an encoder
        values = {"a": [1, -5, 2**40, True, None, 0.5], "b": {"c": (1, 2, 3, 4), "d": ()}}
    assert plain(pickle.dumps(values, protocol), Path("batch")) == values
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    read = plain(as_python2({b"data": array, b"other": array[::-1].copy()}), Path("batch"))
    assert np.array_equal(read[b"data"].values, array)


def test_a_damaged_pickle_is_refused_in_a_sentence() -> None:
    data = as_python2({b"data": np.arange(300, dtype=np.uint8).reshape(2, 150) % 7, b"labels": list(range(40))})
    reasons = []
    for _, mutant in faults.mutants(data, 600, seed=3):
        try:
            plain(mutant, Path("batch"))
        except SpikecutError as error:
            reasons.append(str(error))
    assert len(reasons) > 100
    assert all(reason.startswith("batch: ") for reason in reasons)


@pytest.mark.parametrize("pack", [bz2.compress, lambda raw: raw], ids=["bzip2", "plain"])
def test_a_tar_archive_that_unpacks_to_more_than_the_limit_is_refused(
    pack: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(pack)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        about = tarfile.TarInfo("data_batch_1")
        about.size = 3_000_000
        archive.addfile(about, io.BytesIO(bytes(about.size)))
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(pack(made.getvalue()))
    monkeypatch.setenv(VARIABLE, "archive-bytes=2000000")
    with pytest.raises(LimitExceeded, match="unpacks to more than 2,000,000 bytes"):
        cifar_files(path)
    monkeypatch.setenv(VARIABLE, "archive-bytes=4000000")
    assert cifar_files(path) is None


def test_a_name_in_a_tar_archive_longer_than_any_name_is_refused(tmp_path: Path) -> None:
    about = tarfile.TarInfo("././@LongLink")
    about.type, about.size = tarfile.GNUTYPE_LONGNAME, 500_000_000
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(about.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    with pytest.raises(CorruptRecording, match="a header of 500,000,256 bytes; expected at most"):
        cifar_files(path)


def test_a_damaged_tar_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    data = write_cifar(tmp_path / "cifar", n_each=1).read_bytes()
    reasons = []
    for number, (_, mutant) in enumerate(faults.mutants(data, 60, seed=5)):
        path = tmp_path / f"{number}.tar.gz"
        path.write_bytes(mutant)
        try:
            open_pictures(path)
        except SpikecutError as error:
            reasons.append(str(error))
    assert len(reasons) > 30
    assert all("\n" not in reason for reason in reasons)


def test_control_sequences_in_the_names_of_classes_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = encoded(coloured(0, np.random.default_rng(0)), ".png")
    name = f"{ESCAPE}[31mred{ESCAPE}]0;title\a"
    path = archive_of(tmp_path / f"a{ESCAPE}[2J.zip", {f"{name}/{i}.png": picture for i in range(4)})
    for words in (["data", "check", str(path)], ["data", "check", str(path), "--read"], ["info", str(path)]):
        main(words)
        printed = capsys.readouterr()
        assert ESCAPE not in printed.out + printed.err
        assert "\\x1b" in printed.out


def test_a_zip_archive_of_another_version_is_refused(tmp_path: Path) -> None:
    path = zipped(write_folders(tmp_path / "set", 1))
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 6] = 127  # the version needed to unpack
    path.write_bytes(raw)
    with pytest.raises(UnreadableSource, match=r"a damaged zip archive: zip file version 12\.7"):
        files_in(path)


def test_a_member_without_a_name_is_damage(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", {"x": b"1"})
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    with pytest.raises(UnreadableSource, match="a member without a name"):
        files_in(path)
