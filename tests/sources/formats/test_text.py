"""Text: rows of x, y, t and p in the order that somebody says, whatever else stands between them."""

import tracemalloc
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnknownFormat
from spikecut.pipeline.events import SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.text import TextRecording
from spikecut.sources.formats.text_kernels import LINE_LIMIT
from spikecut.tools.cli import main
from spikecut.tools.recordings.convert import convert

from naive import text_rows
from source_contract import DVS128, WRITERS, Collected, check_source, opened, pattern, recording

XYTP, TXYP = TextLayout("xytp"), TextLayout("txyp")


def file_of(folder: Path, text: str | bytes, name: str = "hand.txt") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, layout: TextLayout = XYTP, sensor: SensorSize = DVS128, batch_events: int = 65_536) -> Collected:
    return check_source(open_recording(path, sensor=sensor, text=layout, batch_events=batch_events))


def test_columns_are_what_they_are_said_to_be(tmp_path: Path) -> None:
    path = file_of(tmp_path, "3 7 256 0\n9 1 300 1\n")
    assert read(path).lists()[:4] == [[256, 300], [3, 9], [7, 1], [0, 1]]
    assert read(path, TextLayout("ytxp"), SensorSize(500, 10)).lists()[:4] == [[1, 7], [300, 256], [9, 3], [1, 0]]
    assert open_recording(path, sensor=DVS128, text=XYTP).format == "text (x y t p, t in us)"


def test_seconds_become_the_nearest_microsecond(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, "0.003811000 1 2 0\n.0038114 1 2 1\n0.0038115 1 2 0\n3.820e-03 1 2 1\n1509479.123456789 0 0 1\n"
    )
    found = read(path, TextLayout("txyp", "s"))
    assert found.t.tolist() == [3_811, 3_811, 3_812, 3_820, 1_509_479_123_457]
    assert not found.lost


def test_polarity_is_zero_and_one_or_minus_one_and_one(tmp_path: Path) -> None:
    found = read(file_of(tmp_path, "0 0 1 -1\n0 0 2 1\n0 0 3 0\n0 0 4 +1\n0 0 5 2\n"))
    assert found.p.tolist() == [0, 1, 0, 1]
    assert found.lost.events_by_cause() == {"unreadable": 1}


def test_comments_blank_lines_and_the_way_numbers_are_parted_change_nothing(tmp_path: Path) -> None:
    plain = read(file_of(tmp_path, "1 2 30 1\n4 5 60 0\n"))
    text = "# x y t p\r\n\r\n  1,2,\t30 , 1\r\n \t\n4.0\t5.00 6e1 0e5 # the last\n#"
    assert read(file_of(tmp_path, text)) == plain


def test_what_numpy_writes_is_read_back(tmp_path: Path) -> None:
    batch = pattern(300)
    for form in ("%d", "%.18e", "%g"):
        np.savetxt(
            tmp_path / "a.txt", np.stack([batch.x, batch.y, batch.t, batch.p], axis=1), fmt=form, header="x y t p"
        )
        assert read(tmp_path / "a.txt").lists()[:4] == [getattr(batch, name).tolist() for name in "txyp"]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("1 2 30", "unreadable"),
        ("1 2 30 1 5", "unreadable"),
        ("1 2 30 x", "unreadable"),
        ("1 2 3.5 1", "unreadable"),
        ("1.5 2 30 1", "unreadable"),
        ("1 2 nan 1", "unreadable"),
        ("1 2 1e30 1", "unreadable"),
        ("1 2 3- 1", "unreadable"),
        ("1 2 . 1", "unreadable"),
        ("1 2 3e 1", "unreadable"),
        ("1,,2,30,1", "unreadable"),
        ("1,2,30,1,", "unreadable"),
        ("128 2 30 1", "outside_sensor"),
        ("1 -2 30 1", "outside_sensor"),
        ("70000 2 30 1", "outside_sensor"),
    ],
)
def test_a_line_that_is_no_event_is_counted_by_cause_with_its_place(tmp_path: Path, line: str, cause: str) -> None:
    path = file_of(tmp_path, f"0 0 10 1\n{line}\n0 0 40 1\n")
    found = read(path)
    assert found.t.tolist() == [10, 40]
    assert found.lost.events_by_cause() == {cause: 1}
    (loss,) = found.lost.losses.values()
    assert loss.at_byte == 9
    assert loss.bytes == (len(line) + 1 if cause == "unreadable" else 0)


def test_times_that_run_back_are_put_in_order_dropped_or_a_new_clock(tmp_path: Path) -> None:
    times = (100, 90, 5_000_000, 4_900_000, 5_000_001, 5_000_002, 20, 30)
    found = read(file_of(tmp_path, "".join(f"0 0 {t} 1\n" for t in times)))
    assert found.t.tolist() == [90, 100, 5_000_000, 5_000_001, 5_000_002, 20, 30]
    assert found.segment.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found.lost.events_by_cause() == {"late": 1}


def test_a_last_line_needs_no_break_and_one_that_ends_early_is_called_that(tmp_path: Path) -> None:
    text = "1 2 30 1\n4 5 60 0"
    assert not read(file_of(tmp_path, text)).lost
    for at in range(10, len(text)):
        found = read(file_of(tmp_path, text[:at]))
        assert found.t.tolist() == [30]
        assert found.losses() == {"cut_off": (1, at - 9)}


_CELL = st.one_of(
    st.integers(-3, 140).map(str),
    st.integers(-(10**18), 10**18).map(str),
    st.decimals(-200, 200, places=8).map(str),
    st.decimals(Decimal("-1e14"), Decimal("1e14"), allow_nan=False).map("{:.20e}".format),
    st.floats(0, 100).map(repr),
    st.sampled_from(
        [
            "0",
            "1",
            "-1",
            "+1",
            "1.",
            ".0",
            "1e2",
            "5E-1",
            "0e999",
            "",
            "-",
            "e5",
            "1e",
            "1..2",
            "#",
            "x",
            "True",
            "fAlse",
            "on",
            "OFF",
            "trues",
            "ofd",
        ]
    ),
)
_LINE = st.one_of(
    st.lists(_CELL, min_size=4, max_size=4).map(" ".join),
    st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(0, 10**6), st.integers(-1, 1)).map(
        "{0[0]} {0[1]} {0[2]} {0[3]}".format
    ),
    st.lists(_CELL, max_size=6).flatmap(
        lambda cells: st.sampled_from([" ", ",", " , ", "\t", "  ", "\r", ";"]).map(lambda mark: mark.join(cells))
    ),
)


@given(lines=st.lists(_LINE, max_size=12), block=st.integers(1, 3), decimals=st.sampled_from([0, 6, 3, -3]))
@example(lines=["0 0 500 1", "0 0 499 True", "0 0 1468941032229165635 off", "0 0 1.5 1"], block=1, decimals=-3)
@example(lines=["0 0 0.0005 1", "0;0 ; 1468941032229.1656 1", "0 0 1 truest", "0 0 1 On#"], block=1, decimals=3)
@example(lines=["0 0 0.0000005 1", "0 0 -0.0000005 1", "0 0 99999999999.9999999 1", "0 0 1e11 1"], block=1, decimals=6)
@example(
    lines=["0 0 12345678901234567.8 1", "0 0 0.00000000000000000001 1", "0 0 1e17 1", "0 0 1e18 1"], block=1, decimals=0
)
def test_every_line_is_read_as_its_plain_twin_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], block: int, decimals: int
) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    path = file_of(tmp_path_factory.mktemp("text"), text)
    unit = {0: "us", 6: "s", 3: "ms", -3: "ns"}[decimals]
    recording = TextRecording(path, SensorSize(12, 12), TextLayout("xytp", unit), block)  # type: ignore[arg-type]
    rows, unreadable, outside = text_rows(text, "xytp", decimals, 12, 12)
    if unreadable and not rows:
        with pytest.raises(CorruptRecording, match=r"line [0-9]+: "):
            list(recording._chunks())
        return
    chunks = list(recording._chunks())
    found = [row for chunk in chunks for row in zip(*(getattr(chunk, name).tolist() for name in "xytp"), strict=True)]
    assert found == rows
    lost = [chunk.lost.events_by_cause() for chunk in chunks]
    assert sum(loss.get("unreadable", 0) for loss in lost) == unreadable
    assert sum(loss.get("outside_sensor", 0) for loss in lost) == outside


@pytest.mark.parametrize("block", [1, 3, 1_000, 65_536])
@pytest.mark.parametrize(
    ("long", "losses"),
    [
        (b"#" + b"x" * 3 * LINE_LIMIT, {}),
        (b"7" * 3 * LINE_LIMIT, {"unreadable": (1, 3 * LINE_LIMIT + 1)}),
        (b" " * LINE_LIMIT + b" 1 2 3 1", {"unreadable": (1, LINE_LIMIT + 9)}),
        (b" " * (LINE_LIMIT - 7) + b"1 2 5 1", {}),
    ],
)
def test_a_line_of_any_length_is_a_comment_or_one_loss_however_it_is_read(
    tmp_path: Path, long: bytes, losses: dict[str, tuple[int, int]], block: int
) -> None:
    n = 2 + (long.endswith(b"1 2 5 1"))
    found = read(file_of(tmp_path, b"1 2 3 1\n" + long + b"\n1 2 9 1\n"), batch_events=block)
    assert (len(found.t), found.losses()) == (n, losses)


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"1 2 3 1\n" + b"7" * 20_000_000)
    for _ in range(2):  # the first pass compiles
        tracemalloc.start()
        n = sum(len(batch) for batch in open_recording(path, sensor=DVS128, text=XYTP, batch_events=4_096))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert n == 1
    assert peak < 2_000_000


def test_where_no_line_is_an_event_the_first_of_them_is_shown(tmp_path: Path) -> None:
    path = file_of(tmp_path, "# t x y p\n\n0.003811 96 133 0\n0.003820 96 133 1\n")
    with pytest.raises(
        CorruptRecording, match=r"hand\.txt: line 3: '0\.003811 96 133 0'; expected t x y p, with t in whole us"
    ) as caught:
        read(path, TXYP)
    assert "--time-unit s" in str(caught.value.hint)
    with pytest.raises(CorruptRecording, match=r"line 1: 'x{60}…'"):
        read(file_of(tmp_path, "x" * 10_000))


def test_only_comments_are_a_recording_without_events(tmp_path: Path) -> None:
    found = read(file_of(tmp_path, "# nothing was seen\n"))
    assert (len(found.t), bool(found.lost)) == (0, False)


def test_bytes_are_not_taken_for_text_and_text_not_for_another_format(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="begins with"):
        open_recording(file_of(tmp_path, b"\1\2\0\3" * 9, "a.txt"), sensor=DVS128, text=XYTP)
    for name in WRITERS:
        path = recording(tmp_path, name, [pattern(20)])
        assert check_source(opened(path)).t.tolist() == pattern(20).t.tolist()


def test_what_text_does_not_say_must_be_said(tmp_path: Path) -> None:
    path = file_of(tmp_path, "1 2 30 1\n4 5 60 0\n")
    with pytest.raises(
        UnknownFormat, match=r"no columns x, y, t and p; it begins with '1 2 30 1' / '4 5 60 0'"
    ) as caught:
        open_recording(path)
    assert "--columns xytp --time-unit us" in str(caught.value.hint)
    for line, flags in {
        "0.0038 96 133 0": "--columns txyp --time-unit s",
        "913716224,3,4,1": "--columns txyp --time-unit us",
        "3 4 0.25 1": "--columns xytp --time-unit s",
    }.items():
        with pytest.raises(UnknownFormat) as caught:
            open_recording(file_of(tmp_path, f"# of a camera\n{line}\n"))
        assert flags in str(caught.value.hint)
    path = file_of(tmp_path, "1 2 30 1\n4 5 60 0\n")
    with pytest.raises(UnknownFormat, match="names the columns x y p t, but not the unit of the times") as caught:
        open_recording(file_of(tmp_path, "x,y,p,t\n1,2,1,30\n"))
    assert "--time-unit us, ms, s or ns" in str(caught.value.hint)
    for columns in ("xyt", "xyttp", "xxtp", "XYTP", ""):
        with pytest.raises(ConfigError, match="each once"):
            TextLayout(columns)
    with pytest.raises(ConfigError, match="expected us or ms or s or ns"):
        TextLayout("xytp", "h")  # type: ignore[arg-type]


def test_the_command_converts_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(tmp_path, "".join(f"1 2 {t} 1\n" for t in range(50)))
    target = tmp_path / "out.h5"
    assert main(["convert", str(path), str(target), "--columns", "xytp", "--sensor", "128x128"]) == 0
    assert check_source(open_recording(target)) == read(path)
    assert main(["convert", str(path), str(tmp_path / "b.h5")]) == 4
    said = capsys.readouterr().err
    assert "this is text" in said
    assert "hint: if a line is an event, give the order of its numbers" in said


def test_the_event_camera_dataset_has_its_known_facts(real_data: Path, tmp_path: Path) -> None:
    found = read(real_data / "formats/rpg_events.txt", TextLayout("txyp", "s"), SensorSize(240, 180))
    assert (len(found.t), found.t[0], found.t[-1]) == (50_000, 3_811, 174_156)
    assert not found.lost


def test_the_digits_of_mnist_dvs_are_sound(real_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_data / "mnist_dvs128_txt.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        assert len(names) == 70
        for name in names[::10]:
            path = file_of(tmp_path, archive.read(name))
            found = read(path)
            theirs = np.loadtxt(path, np.int64)
            assert [found.x.tolist(), found.y.tolist(), found.t.tolist(), found.p.tolist()] == theirs.T.tolist()
            assert (found.t[0], found.t[-1]) == (0, 200_010)
            assert not found.lost
            report = convert(path, tmp_path / "a.aedat", overwrite=True, sensor=DVS128, text=XYTP)
            assert report.n_written == len(theirs)
            assert check_source(open_recording(tmp_path / "a.aedat")).lists() == found.lists()
