"""The door for files: whatever their format, by the table `FORMATS`."""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import get_args

from spikecut.pipeline.errors import EmptyRecording, SpikecutError, UnknownFormat, UnreadableSource, printable
from spikecut.pipeline.events import DropCause, SensorSize
from spikecut.pipeline.files.arguments import check_path, kind_of, one_of, whole
from spikecut.sources.formats import FORMATS, known_formats
from spikecut.sources.formats.base import DEFAULTS, Format, OnDamage, ReadOptions, Recording, TextLayout
from spikecut.sources.formats.reading.damage import Undamaged
from spikecut.sources.formats.reading.files import first_bytes, in_a_command, is_folder
from spikecut.sources.formats.reading.filtering import FilteredRecording
from spikecut.sources.formats.reading.known_sensors import assumed
from spikecut.sources.formats.reading.window import Window
from spikecut.sources.formats.signatures import is_damaged_text, is_text, other_kind, wide_encoding

_HEAD_BYTES = 1 << 16  # headers of text name their format anywhere in them
_KIND_BYTES = 64


def open_recording(
    path: str | PathLike[str],
    *,
    sensor: SensorSize | tuple[int, int] | None = None,
    batch_events: int = 65_536,
    text: TextLayout | None = None,
    camera: int | None = None,
    start_us: int = 0,
    duration_us: int | None = None,
    on_damage: OnDamage = "salvage",
) -> Recording:
    """The recording in a file, whatever its format: chosen by content, then by suffix.

    `sensor` is used for formats that do not name theirs (ATIS bin, text). A video (MP4, AVI, Matroska, WebM) is scaled
    to it and shown to a simulated DVS. Other formats ignore it. `text` is the layout of a text file. Batches hold
    about `batch_events` events.
    `camera` chooses among several cameras in one file. `start_us` and `duration_us` choose a stretch: it is counted
    from the first event, and what lies before it is not read where the format allows.
    Damage does not stop the reading: what is whole is delivered, and the rest is counted by cause in the
    batches' `lost`; with `on_damage="refuse"` the first damage raises instead.

    Raises:
        UnreadableSource: if the file is missing, a directory, or may not be read.
        EmptyRecording: if it has no bytes.
        UnknownFormat: if it is none of the known formats; the message says what it looks like.
        UnsupportedVersion, CorruptRecording, LimitExceeded: as the reader of its format says.
        ConfigError: if the sensor is not known and cannot be inferred, a batch would hold no events, or an argument is
            of the wrong type.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "four.csv")
    ...     _ = path.write_text(chr(10).join(["t_us,x,y,p", "10,3,1,1", "12,0,2,0"]))
    ...     recording = open_recording(path, sensor=(4, 4))
    ...     [(len(batch), batch.start_us, batch.lost.total) for batch in recording]
    [(2, 10, 0)]
    """
    check_path(path)
    kind_of("text", text, (TextLayout, NoneType), "a TextLayout or None", 'such as TextLayout("xytp")')
    one_of("on_damage", on_damage, get_args(OnDamage))
    options = ReadOptions(
        None if sensor is None else SensorSize.of(sensor),
        whole("batch_events", batch_events),
        text,
        whole("camera", camera, optional=True),
        whole("start_us", start_us),
        whole("duration_us", duration_us, optional=True),
        on_damage,
    )
    return open_with(Path(path), options)


def open_with(path: Path, options: ReadOptions = DEFAULTS) -> Recording:
    """As `open_recording`, with all options as one value."""
    return open_as(format_of(path, options.text), path, options)


def open_as(row: Format, path: Path, options: ReadOptions = DEFAULTS) -> Recording:
    """As `open_with`, of a known format."""
    return as_wanted(row.open(path, options), options)


def as_wanted(recording: Recording, options: ReadOptions) -> Recording:
    """The stretch of an open recording that is wanted, without damage or filtered if that is wanted, too."""
    if not options.is_whole:
        recording = Window(recording, options.start_us, options.duration_us)
    if options.on_damage == "refuse":
        recording = Undamaged(recording)
    return FilteredRecording(recording, options.filters) if options.filters else recording


def open_expecting(path: Path, usual: SensorSize, options: ReadOptions = DEFAULTS) -> Recording:
    """As `open_with`; a file that states no sensor is read with the sensor `usual`, unless its events lie elsewhere.

    That is noted (`SpikecutWarning`), with `usual` as the sensor of the network. If most of the first events lie
    outside, the sensor is inferred, or known from the camera, as without `usual`.
    """
    row = format_of(path, options.text)
    if options.sensor is not None or (row.fixed_sensor and options.text is None):
        return open_with(path, options)
    recording = open_with(path, replace(options, sensor=usual))
    try:
        first = next(iter(recording), None)
    except SpikecutError:  # comes again where the recording is read
        return recording
    outside = None if first is None else first.lost.losses.get(DropCause.outside_sensor)
    if first is not None and outside is not None and outside.events >= 20 and outside.events > len(first):
        return open_with(path, options)
    other = SensorSize(usual.width + 1, usual.height)
    if not row.simulated and open_with(path, replace(options, sensor=other)).sensor == other:  # it states none
        assumed(path, usual, "the file", "that of the network")
    return recording


def format_of(path: Path, text: TextLayout | None = None) -> Format:
    """The row of `FORMATS` for a file: by content, then by suffix.

    Raises:
        UnreadableSource, EmptyRecording, UnknownFormat: as `open_recording`.
    """
    if is_folder(path):
        raise UnreadableSource(path, "is a directory", hint="for a folder of recordings: spikecut replay")
    head = first_bytes(path, _HEAD_BYTES)
    if not head:
        raise EmptyRecording(path, "the file is empty (0 bytes)")
    row, beginning, head = _by_signature(head), head, head[:_KIND_BYTES]
    if row is None and (kind := other_kind(head)):
        raise UnknownFormat(path, f"this is {kind}; spikecut reads {known_formats()}", hint=_way_to_read(path, head))
    row = row or _by_suffix(path.suffix.lower(), needs_text=False)
    if row is None and (0 not in head or is_damaged_text(beginning)):
        row = _by_suffix(path.suffix.lower(), needs_text=True) or (None if text is None else FORMATS["text"])
    if row is None:
        raise _unknown(path, head)
    return row


def _by_signature(head: bytes) -> Format | None:
    return next((row for row in FORMATS.values() if row.recognise is not None and row.recognise(head)), None)


def _by_suffix(suffix: str, *, needs_text: bool) -> Format | None:
    """A format without a signature."""
    rows = [row for row in FORMATS.values() if row.recognise is None and ("text" in row.needs) == needs_text]
    return next((row for row in rows if suffix in row.suffixes), None)


def _way_to_read(path: Path, head: bytes) -> str | None:
    """What to do with a file that spikecut does not read as it is; None if nothing is known."""
    if encoding := wide_encoding(head):
        return f"make a copy in UTF-8: iconv -f {encoding} -t UTF-8 {in_a_command(path)} > copy{printable(path.suffix)}"
    kind = other_kind(head) or ""
    return "a network made for pictures looks at it: --model NETWORK" if "picture" in kind else None


def _unknown(path: Path, head: bytes) -> UnknownFormat:
    """The error for a file of an unknown kind, with the way to read it if it is text."""
    rows = [row for row in FORMATS.values() if row.recognise is None and "text" not in row.needs]
    unsigned = "; ".join(f"{row.name} files are known by their suffix {' or '.join(row.suffixes)}" for row in rows)
    if is_text(head):
        kind, name = "this is text", in_a_command(path)
        command = f"spikecut convert {name} out.h5 --columns xytp --sensor WIDTHxHEIGHT"
        hint = f"if a line is an event, give the order of its numbers: {command}; {unsigned}"
    else:
        kind, hint = f"begins with {head[:8]!r}, which no known format does", f"without a signature: {unsigned}"
    return UnknownFormat(path, f"{kind}; spikecut reads {known_formats()}", hint=hint)
