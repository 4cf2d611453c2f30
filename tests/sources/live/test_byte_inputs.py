"""Truths about standard input and files that grow: they are read as they come, and end when they should."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, SpikecutError, UnreadableSource
from spikecut.sources.formats import FORMATS
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, TextLayout
from spikecut.sources.live.inputs import SOURCES, live_input, word_of
from spikecut.sources.live.inputs.base import LiveSource, Wanted
from spikecut.sources.live.inputs.waiting import POLL_S, Waiting

from fakes import FakeClock, Stdin
from source_contract import DVS128, WRITERS, Collected, _collect, opened, pattern, recording


@dataclass
class WorkingClock(FakeClock):
    """While somebody sleeps, somebody else does the next piece of work; once all is done, time only passes."""

    work: list[Callable[[], object]] = field(default_factory=list)

    def sleep_s(self, seconds: float) -> None:
        super().sleep_s(seconds)
        if self.work:
            self.work.pop(0)()


def wanted(path: Path | str, clock: FakeClock, silence_s: float | None = 1.0, format: str | None = None) -> Wanted:
    return Wanted(str(path), ReadOptions(sensor=DVS128), DVS128, Waiting(clock, silence_s=silence_s), format)


def appending(path: Path, data: bytes, size: int) -> list[Callable[[], object]]:
    """Work that writes the data in pieces."""

    def write(piece: bytes) -> Callable[[], object]:
        def work() -> None:
            with path.open("ab") as file:
                file.write(piece)

        return work

    return [write(data[at : at + size]) for at in range(0, len(data), size)]


def piped(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is a pipe that holds these bytes and is then closed; a pipe takes 64 kB without a reader."""
    reader, writer = os.pipe()
    assert os.write(writer, data) == len(data)
    os.close(writer)
    monkeypatch.setattr("sys.stdin", Stdin(reader))


def read(source: LiveSource) -> Collected:
    try:
        return _collect(source.recording)
    finally:
        source.close()


def from_stdin(format: str | None = None, reading: ReadOptions = DEFAULTS) -> Collected:
    row = live_input(Path("-"), follow=False)
    assert row is not None
    return read(row.open(Wanted("-", reading, DVS128, Waiting(FakeClock()), format)))


def test_every_row_says_how_it_is_written_and_knows_its_own_words_only() -> None:
    assert [row.form for row in SOURCES.values()][:2] == ["-", "FILE --follow"]
    assert live_input(Path("a.aedat"), follow=False) is None
    assert live_input(Path("a.aedat"), follow=True) is SOURCES["follow"]
    assert word_of(Path("folder/a.aedat")) == "folder/a.aedat"
    assert word_of(Path("c:/a.aedat")) == "c:/a.aedat"


@pytest.mark.parametrize("name", WRITERS)
def test_standard_input_gives_the_events_of_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Formats that cannot be read as they come are copied first."""
    path = recording(tmp_path, name, [pattern(900)])
    piped(path.read_bytes(), monkeypatch)
    known = None if FORMATS[name].recognise is not None else name
    assert from_stdin(known, ReadOptions(sensor=DVS128)) == _collect(opened(path))


def test_text_in_standard_input_needs_its_columns_and_takes_the_sensor_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recording(tmp_path, "text", [pattern(300)])
    data = b"".join(line for line in path.read_bytes().splitlines(keepends=True) if line[:1].isdigit())
    piped(data, monkeypatch)
    with pytest.raises(SpikecutError, match="this is text"):
        from_stdin()
    piped(data, monkeypatch)
    with pytest.warns(UserWarning, match="128x128 is assumed, that of the network"):
        assert len(from_stdin("text", ReadOptions(text=TextLayout("txyp"))).t) == 300


def test_standard_input_that_is_no_stream_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(EnvironmentProblem, match="standard input is closed"):
        from_stdin()
    master, terminal = os.openpty()
    monkeypatch.setattr("sys.stdin", Stdin(terminal))
    with pytest.raises(EnvironmentProblem, match="is a terminal"):
        from_stdin()
    os.close(master)
    piped(b"", monkeypatch)
    with pytest.raises(SpikecutError, match="-: the file is empty"):
        from_stdin()
    piped(b"nonsense", monkeypatch)
    with pytest.raises(ConfigError, match="there is no format 'aedat22'"):
        from_stdin("aedat22")


def test_an_unending_pipe_ends_when_it_is_silent_or_when_the_run_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """N02, S05: a producer that neither writes nor ends."""
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdin", Stdin(reader))
    clock, n_calls = WorkingClock(), [0]

    def stopped() -> bool:
        n_calls[0] += 1
        clock.time_s += 0.4
        return n_calls[0] > 3

    with pytest.raises(SpikecutError, match="empty"):
        SOURCES["stdin"].open(Wanted("-", DEFAULTS, DVS128, Waiting(clock, stopped)))
    waiting = Waiting(clock, lambda: bool(stopped()) and False, 2.0)
    with pytest.raises(SpikecutError, match="empty"):
        SOURCES["stdin"].open(Wanted("-", DEFAULTS, DVS128, waiting))
    assert waiting.notes() == ["nothing came for 2 s: the end (--idle-timeout)"]
    os.close(writer)


@pytest.mark.parametrize("name", [name for name in WRITERS if FORMATS[name].streams])
def test_a_file_that_is_being_written_is_read_as_it_grows(name: str, tmp_path: Path) -> None:
    """S05, N02: what is there, then what comes; a second of silence ends it, and the writer's pauses do not."""
    path = recording(tmp_path, name, [pattern(1_500)])
    whole, data, grown = _collect(opened(path)), path.read_bytes(), tmp_path / f"grown{path.suffix}"
    grown.write_bytes(data[:700])
    clock = WorkingClock(work=appending(grown, data[700:], 411))
    known = None if FORMATS[name].recognise is not None else name
    source = SOURCES["follow"].open(wanted(grown, clock, format=known))
    assert read(source) == whole
    assert source.notes() == ["nothing came for 1 s: the end (--idle-timeout)"]
    n_pieces = -(-len(data[700:]) // 411)
    assert 0 <= clock.time_s - (100 + POLL_S * n_pieces + 1.0) < 2 * POLL_S


def test_events_are_handed_on_while_the_file_grows(tmp_path: Path) -> None:
    path = recording(tmp_path, "aedat2", [pattern(3_000)])
    data, grown, done = path.read_bytes(), tmp_path / "b.aedat", list[int]()
    grown.write_bytes(data[:8_000])
    clock = WorkingClock(work=[lambda: done.append(1), *appending(grown, data[8_000:], 1 << 20)])
    source = SOURCES["follow"].open(wanted(grown, clock))
    first = next(iter(source.recording))
    source.close()
    assert len(first) > 500
    assert not done, "nothing more was written before the first events came"


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if not row.streams and name in WRITERS])
def test_a_format_that_must_be_whole_cannot_be_followed(name: str, tmp_path: Path) -> None:
    path = recording(tmp_path, name, [pattern(300)])
    with pytest.raises(ConfigError, match="when it is whole, not while it is written") as caught:
        SOURCES["follow"].open(wanted(path, FakeClock()))
    assert "AEDAT 3.1" in str(caught.value.hint)


def test_a_file_that_is_cut_or_removed_while_it_is_followed_is_over(tmp_path: Path) -> None:
    """S05: the producer starts anew, or cleans up."""
    path = recording(tmp_path, "aedat2", [pattern(900)])
    n_bytes = path.stat().st_size
    for work, reason in (
        (lambda: os.truncate(path, n_bytes - 1_000), "has become shorter"),
        (path.unlink, "was removed"),
    ):
        clock = WorkingClock(work=[work])
        source = SOURCES["follow"].open(wanted(path, clock, None))
        assert len(read(source).t) >= 700
        assert source.notes() == [f"{path} {reason}: the end"]
    with pytest.raises(UnreadableSource, match="no such file"):
        SOURCES["follow"].open(wanted(path, FakeClock()))
    with pytest.raises(UnreadableSource, match="is no file that grows"):
        SOURCES["follow"].open(wanted("/dev/zero", FakeClock()))
