"""Text files that state their columns, unit and sensor need no options; others are refused with what is missing."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, SpikecutWarning, UnknownFormat
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.text import TextRecording
from spikecut.sources.formats.text_layout.header import names_of
from spikecut.tools.cli import main

from naive import text_rows
from source_contract import DVS128, check_source, pattern
from streams import batch_of

EVENTS = [[3_811, 3_820, 3_836], [96, 127, 4], [33, 71, 60], [0, 0, 1]]
ROWS = list(zip(*EVENTS, strict=True))


def file_of(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def csv(header: str, line: str = "{x},{y},{p},{t}\n") -> str:
    return header + "".join(line.format(t=t, x=x, y=y, p=p, i=i) for i, (t, x, y, p) in enumerate(ROWS))


@pytest.mark.parametrize(
    "text",
    [
        csv("x,y,p,t_us\n"),
        csv("x,y,polarity,timestamp_us\r\n", "{x},{y},{p},{t}\r\n"),
        csv("\ufeffx,y,pol,t [us]\n"),
        csv("X;Y;On;Time(µs)\n", "{x};{y};{p};{t}.0\n"),
        csv("x\ty\tp\tts_ns\n", "{x}\t{y}\t{p}\t{t}000\n"),
        csv("t_s x y p\n", "0.00{t} {x} {y} {p}\n"),
        csv("timestamp (ms) x y p\n", "{t}e-3 {x} {y} {p}\n"),
        csv("# x y t_us p\n", "{x} {y} {t} {p}\n"),
        csv(",x,y,p,t_us\n", "{i},{x},{y},{p},{t}\n"),
        csv("label,x,y,p,t_us,note\n", "a b,{x},{y},{p},{t},\n"),
        csv("label\tx\ty\tp\tt_us\tnote\n", "\t{x}\t{y}\t{p}\t{t}\tc, d\n"),
        csv('"x","y","p","t_us"\n'),
        csv("# times in us\nx,y,p,t\n").replace(",0,", ",False,").replace(",1,", ",TRUE,"),
        csv("# times in us\n%geometry:128,128\n\nx,y,p,t\n"),
        csv("128 128\nt_us,x,y,p\n", "{t},{x},{y},{p}\n").replace(",0\n", ",-1\n"),
    ],
)
def test_columns_and_unit_are_read_from_a_header(tmp_path: Path, text: str) -> None:
    found = check_source(open_recording(file_of(tmp_path, text), sensor=DVS128))
    assert found.lists()[:4] == EVENTS
    assert not found.lost


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (TextLayout("xypt"), csv("x,y,p,t\n")),
        (TextLayout("xypt"), csv("spalte,zeile,vorzeichen,zeit\n")),
        (TextLayout("_xypt"), csv("", "{i},{x},{y},{p},{t}\n")),
        (TextLayout("x_ypt"), csv("", "{x} - {y} {p} {t}\n")),
        (TextLayout(None, "ns"), csv("x,y,p,t\n", "{x},{y},{p},{t}499\n")),
        (TextLayout("txyp", None), csv("# times in ms\n", "{t}e-3 {x} {y} {p}\n")),
        (TextLayout("xypt", "us"), csv(",x,y,p,t\n", "{i},{x},{y},{p},{t}\n")),
    ],
)
def test_what_is_given_and_what_the_header_says_complete_each_other(
    tmp_path: Path, layout: TextLayout, text: str
) -> None:
    found = check_source(open_recording(file_of(tmp_path, text), sensor=DVS128, text=layout))
    assert found.lists()[:4] == EVENTS
    assert not found.lost


def test_a_header_and_options_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, csv("x,y,p,t_us\n"))
    for layout, words in ((TextLayout("txyp"), "columns x y p t"), (TextLayout("xypt", "s"), "times in us")):
        with pytest.raises(ConfigError, match=f"the header says {words}"):
            open_recording(path, sensor=DVS128, text=layout)


@pytest.mark.parametrize(
    "first", ["240 180", "240,180", "%geometry:240,180", "# sensor 240x180", "%resolution = 240 x 180"]
)
def test_the_size_in_the_first_line_is_the_sensor(tmp_path: Path, first: str) -> None:
    recording = open_recording(file_of(tmp_path, f"{first}\n1 2 30 1\n"), text=TextLayout("xytp"))
    assert recording.sensor == SensorSize(240, 180)
    assert check_source(recording).t.tolist() == [30]


def test_an_impossible_size_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(CorruptRecording, match="line 2: a sensor of 0 x 180 pixels"):
        open_recording(file_of(tmp_path, "# hi\n%geometry:0,180\n1 2 3 1\n"), text=TextLayout("xytp"))


@pytest.mark.parametrize(
    ("pixels", "sensor"),
    [
        ([(100, 33)], (128, 128)),
        ([(33, 33)], (34, 34)),
        ([(200, 3)], (240, 180)),
        ([(2000, 7), (3, 1500)], (2001, 1501)),
    ],
)
def test_a_sensor_that_is_not_stated_is_inferred_and_that_is_a_note(
    tmp_path: Path, pixels: list[tuple[int, int]], sensor: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(tmp_path, "x,y,t_us,p\n" + "".join(f"{x},{y},{i},1\n" for i, (x, y) in enumerate(pixels)))
    with pytest.warns(SpikecutWarning, match="does not state its sensor"):
        recording = open_recording(path)
    assert isinstance(recording, TextRecording)
    assert recording.sensor == SensorSize(*sensor)
    assert "does not state its sensor" in recording.notes[0]
    assert "sensor inferred" in recording.format
    for command in (["info", str(path)], ["convert", str(path), str(tmp_path / "a.h5")]):
        assert main(command) == 0
        assert capsys.readouterr().err.count(f"{SensorSize(*sensor)} is inferred") == 1


def test_text_of_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-16-be"):
        mark = b"" if encoding == "utf-16" else b"\xfe\xff"
        with pytest.raises(UnknownFormat, match=r"UTF-16.*save it as UTF-8"):
            open_recording(file_of(tmp_path, mark + csv("x,y,p,t_us\n").encode(encoding)))


def test_a_label_file_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="names no columns"):
        open_recording(file_of(tmp_path, "class,startTime_usec,endTime_usec\n1,2,3\n"))


@pytest.mark.parametrize("header", ["x,y,p", "x,y,p,q", "x,y,p,t,t", "1,2,3,4", "", "x,y,p,t_h", "xypt"])
def test_a_line_without_four_names_is_no_header(header: str) -> None:
    assert names_of(header) is None


_NAMED = st.text(st.sampled_from("019.-aTrue\"' "), max_size=5)


@given(rows=st.lists(st.lists(_NAMED, min_size=5, max_size=6), max_size=6), mark=st.sampled_from(",;\t"))
def test_skipped_columns_are_passed_over_as_the_plain_twin_does(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], mark: str
) -> None:
    lines = ["1 2 3 4 5", mark.join("?1230"), *(mark.join(row) for row in rows)]
    body = "".join(f"{line}\n" for line in lines).encode()
    path = file_of(tmp_path_factory.mktemp("text"), mark.join(("n", "x", "y", "t_us", "p")).encode() + b"\n" + body)
    recording = open_recording(path, sensor=SensorSize(12, 12))
    assert isinstance(recording, TextRecording)
    expected, unreadable, outside = text_rows(body, "_xytp", 0, 12, 12, mark.encode())
    chunks = list(recording._chunks())
    found = [row for chunk in chunks for row in zip(*(getattr(chunk, name).tolist() for name in "xytp"), strict=True)]
    assert found == expected
    lost = [chunk.lost.events_by_cause() for chunk in chunks]
    assert sum(loss.get("unreadable", 0) for loss in lost) == unreadable
    assert sum(loss.get("outside_sensor", 0) for loss in lost) == outside


@pytest.mark.parametrize("suffix", FORMATS["text"].suffixes)
def test_what_is_written_is_read_back_without_options(tmp_path: Path, suffix: str) -> None:
    path, batch = tmp_path / f"a{suffix}", pattern(3_000)
    assert FORMATS["text"].write(path, [batch], DVS128) == 3_000
    recording = open_recording(path)
    assert recording.sensor == DVS128
    assert check_source(recording).lists()[:4] == [getattr(batch, name).tolist() for name in "txyp"]
    mark = "\t" if suffix == ".tsv" else ","
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# sensor 128x128, times in us", mark.join("txyp")]
    rows = zip(*(getattr(batch, name).tolist() for name in "txyp"), strict=True)
    assert lines[2:] == [mark.join(map(str, row)) for row in rows]


def test_times_of_any_sign_and_size_are_written_digit_by_digit(tmp_path: Path) -> None:
    times = [-(10**17), -10, -9, 0, 9, 10, 99, 100, 10**17]
    FORMATS["text"].write(tmp_path / "a.csv", [batch_of(times)], SensorSize(7, 5))
    assert (tmp_path / "a.csv").read_text().split("\n")[2:-1] == [f"{t},0,0,0" for t in times]
    with pytest.raises(ConfigError, match="a time beyond"):
        FORMATS["text"].write(tmp_path / "b.csv", [batch_of([10**17 + 1])], SensorSize(7, 5))


def test_a_clock_that_restarts_is_written_where_it_reads_back(tmp_path: Path) -> None:
    def parts(again_us: int) -> list[EventBatch]:
        return [batch_of([5_000_000, 5_000_001]), batch_of([again_us, again_us + 5], segment=1)]

    FORMATS["text"].write(tmp_path / "a.csv", parts(10), SensorSize(7, 5))
    assert check_source(open_recording(tmp_path / "a.csv")).segment.tolist() == [0, 0, 1, 1]
    with pytest.raises(ConfigError, match="the clock restarts at 4900000 us"):
        FORMATS["text"].write(tmp_path / "b.csv", parts(4_900_000), SensorSize(7, 5))


def test_a_stretch_of_a_long_text_is_read_from_its_place(tmp_path: Path) -> None:
    path, batch = tmp_path / "a.csv", pattern(40_000)
    FORMATS["text"].write(path, [batch], DVS128)
    whole = open_recording(path)
    assert isinstance(whole, TextRecording)
    middle = int(batch.t[30_000])
    batches = whole.from_time(middle)
    assert batches is not None
    t = np.concatenate([part.t for part in batches])
    assert batch.t[28_000] < t[0] < middle
    assert t[t >= middle].tolist() == batch.t[batch.t >= middle].tolist()
    part = check_source(open_recording(path, start_us=middle - int(batch.t[0]), duration_us=10_000))
    assert part.t.tolist() == batch.t[(batch.t >= middle) & (batch.t < middle + 10_000)].tolist()


def test_two_numbers_without_a_line_s_end_are_no_size_but_a_line_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,12")
    layout = TextLayout("txyp", "us")
    cut = check_source(open_recording(tmp_path / "a.csv", sensor=DVS128, text=layout))
    assert cut.lost.events_by_cause() == {"cut_off": 1}
    (tmp_path / "a.csv").write_text("30,20\n1,12,5,0\n")
    assert open_recording(tmp_path / "a.csv", text=layout).sensor == SensorSize(30, 20)


@pytest.mark.parametrize("place", [0, 1, 7, 15, 29])
@pytest.mark.parametrize("layout", [None, TextLayout("xypt")])
def test_a_zero_byte_costs_its_line_and_no_other(place: int, layout: TextLayout | None, tmp_path: Path) -> None:
    head = "" if layout else "x,y,p,t_us\n"
    data = bytearray((head + "".join(f"{i},{i},1,{100 + i}\n" for i in range(20))).encode())
    at = len(head) + place
    number = data[len(head) : at].count(b"\n")
    if data[at] == ord("\n"):
        at -= 1
    data[at] = 0
    for batch_events in (3, 1_000):
        path = file_of(tmp_path, bytes(data))
        found = check_source(open_recording(path, sensor=DVS128, text=layout, batch_events=batch_events))
        assert found.t.tolist() == [100 + i for i in range(20) if i != number]
        assert found.lost.events_by_cause() == {"unreadable": 1}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [csv("x,y,p,t_us\n"), csv("", "{t} {x} {y} {p}\n")])
def test_wide_letters_are_named_with_the_way_to_read_them(encoding: str, text: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, text.encode(encoding))
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    for layout in (None, TextLayout("txyp")):
        with pytest.raises(UnknownFormat, match=f"this is text in {name} ") as caught:
            open_recording(path, text=layout)
        assert f"iconv -f {name} -t UTF-8 {path} > copy.csv" in str(caught.value.hint)


def test_a_binary_file_with_the_suffix_of_text_is_none(tmp_path: Path) -> None:
    for data in (bytes(range(256)) * 4, bytes(4_096), b"\x01\0\x02\0" * 64):
        with pytest.raises(UnknownFormat, match="begins with"):
            open_recording(file_of(tmp_path, data))


@pytest.mark.skipif(os.name != "posix", reason="file names have no line breaks")
def test_a_line_break_in_a_name_is_escaped_in_hints_too(tmp_path: Path) -> None:
    for name in ("a\nb.csv", "a\x1b[31mb\n.dat"):
        with pytest.raises(UnknownFormat) as caught:
            open_recording(file_of(tmp_path, csv("", "{t} {x} {y} {p}\n"), name))
        assert "spikecut convert" in str(caught.value.hint)
        for shown in (str(caught.value), str(caught.value.hint)):
            assert shown.isprintable()
