"""From one file format into another, batch by batch."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, EventError, SpikecutError, printable
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.files.arguments import check_path
from spikecut.pipeline.files.atomic_files import new_file, refuse_existing
from spikecut.sources.formats import written_formats, written_suffixes
from spikecut.sources.formats.base import Format, ReadOptions, TextLayout
from spikecut.tools.reading_options import read_options
from spikecut.tools.recordings.conversion_source import NOT_SIMULATED, Simulation, notes_of, open_source
from spikecut.tools.recordings.conversion_steps import Passing, Shift, parse_crop, parse_shift, progress, split_us
from spikecut.tools.recordings.label_files import LabelCopies
from spikecut.tools.recordings.truth import Truth, refuse_other_suffixes

if TYPE_CHECKING:
    from spikecut.tools.commands.files.convert import Convert


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """The numbers of events of a conversion: `n_read = n_written + lost.total`.

    `parts` are the files of a recording that was split, with their numbers of events; `labels` the label files that
    were written. Where the truth of simulated events was written, `n_signal + n_noise = n_written`.
    """

    source: Path
    target: Path
    n_read: int
    n_written: int
    lost: DropCounts
    notes: tuple[str, ...] = ()
    parts: tuple[tuple[Path, int], ...] = ()
    labels: tuple[Path, ...] = ()
    n_signal: int | None = None
    n_noise: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a conversion changes beside the format.

    `sort` puts events of any disorder in order, `crop` (`X,Y,WxH`) keeps a part of the sensor, `split_us` are the times
    of playing where a new file begins, `shift` is added to all times (`zero`: the first event gets time 0), `truth` is
    where the kinds of simulated events are written.
    """

    sort: bool = False
    crop: str | None = None
    split_us: tuple[int, ...] = ()
    shift: Shift = 0
    truth: Path | None = None
    simulation: Simulation = NOT_SIMULATED


AS_IT_IS = Changes()


@dataclass(frozen=True, slots=True)
class _Writing:
    """How the target is written; with `shown` a terminal shows how far it is."""

    overwrite: bool
    format: str | None
    shown: bool = False


def convert(
    src: str | PathLike[str],
    dst: str | PathLike[str],
    overwrite: bool = False,
    sensor: SensorSize | tuple[int, int] | None = None,
    text: TextLayout | None = None,
    format: str | None = None,
) -> ConversionReport:
    """Rewrites a recording in another format: the one with this name in `FORMATS`, or the first of the target's suffix.

    `sensor` and `text` give what the source does not state (`open_recording`). The target appears under its name only
    when it is complete. Times stay as they are; a recording that the format cannot hold is refused.

    Raises:
        ConfigError: if no writable format has the name or the suffix, the target exists, or its format cannot hold
            the recording.
        SourceError: if the source cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "two.csv")
    ...     _ = path.write_text(chr(10).join(["t_us,x,y,p", "10,3,1,1", "12,0,2,0"]))
    ...     report = convert(path, path.with_suffix(".h5"), sensor=(4, 4))
    ...     report.n_read, report.n_written, report.lost.total
    (2, 2, 0)
    """
    check_path(src)
    check_path(dst, "a file to write")
    options = ReadOptions(None if sensor is None else SensorSize.of(sensor), text=text)
    return _converted(Path(src), Path(dst), options, AS_IT_IS, _Writing(overwrite, format))


def convert_with(
    src: Path,
    dst: Path,
    options: ReadOptions,
    *,
    overwrite: bool = False,
    format: str | None = None,
    changes: Changes = AS_IT_IS,
) -> ConversionReport:
    """As `convert`, with all options of reading as one value, and with changes. A label file beside it travels along.

    All files appear together, when the last is complete.

    Raises:
        ConfigError: also if a label file exists beside the target, or changes do not go together.
    """
    return _converted(src, dst, options, changes, _Writing(overwrite, format, shown=True))


def _converted(src: Path, dst: Path, options: ReadOptions, changes: Changes, how: _Writing) -> ConversionReport:
    row, targets = format_to_write(dst, how.format), _targets(dst, len(changes.split_us) + 1)
    truth, overwrite = _truth(changes, options), how.overwrite
    for target in targets:
        refuse_existing(target, overwrite=overwrite)
    recording = open_source(src, options, changes.simulation, dst.parent if changes.sort else None)
    crop = None if changes.crop is None else parse_crop(changes.crop, recording.sensor)
    is_cut = len(targets) > 1 or bool(options.start_us) or options.duration_us is not None
    labels = LabelCopies.of(src, targets, changes=is_cut or changes.shift != 0, is_cut=is_cut)
    tally = _Tally()
    with ExitStack() as stack:
        copies = [stack.enter_context(new_file(path, overwrite=overwrite)) for path in labels.targets]
        source: Iterable[EventBatch] = recording
        if truth is not None and changes.truth is not None:
            stack.enter_context(truth)
            truth_file = stack.enter_context(new_file(changes.truth, overwrite=overwrite, make_folder=False))
            source = truth.watch(recording)
        files = [stack.enter_context(new_file(one, overwrite=overwrite, make_folder=False)) for one in targets]
        if how.shown:
            source = stack.enter_context(progress(f"converting {printable(src.name)}"))(source)
        cropped = source if crop is None else crop.of(source)
        passing = Passing(tally.watch(cropped), changes.split_us, changes.shift, labels)
        sensor = recording.sensor if crop is None else crop.size
        jobs = zip(files, targets, passing.parts(), strict=True)
        n = [write_events(file, target, batches, sensor, row) for file, target, batches in jobs]
        for part, copy in enumerate(copies):
            labels.write(part, copy, passing.shift_us)
        if truth is not None:
            truth.write(truth_file)
    return ConversionReport(
        src,
        dst,
        sum(n) + tally.lost.total,
        sum(n),
        tally.lost,
        notes_of(recording),
        tuple(zip(targets, n, strict=True)) if len(targets) > 1 else (),
        labels.targets,
        None if truth is None else truth.n_signal,
        None if truth is None else truth.n_noise,
    )


def run_convert(options: "Convert") -> int:
    """The command: 0 if every event arrived, 3 if some were lost."""
    source, target = options.source, options.target
    changes = Changes(
        sort=options.sort,
        crop=options.crop,
        split_us=split_us(options.split_at),
        shift=0 if options.shift is None else parse_shift(options.shift),
        truth=options.truth,
        simulation=Simulation(options.pixel, options.fps, options.seed),
    )
    report = convert_with(
        source, target, read_options(options), overwrite=options.overwrite, format=options.format, changes=changes
    )
    if options.json:
        print(json.dumps(_as_json(report)))
    else:
        for path, n in report.parts or ((target, report.n_written),):
            print(printable(f"{path}: {n:,} events"))
        if report.n_noise is not None:
            print(printable(f"{options.truth}: {report.n_signal:,} signal, {report.n_noise:,} noise"))
        for path in report.labels:
            print(printable(f"{path}: the labels"))
    for cause, loss in report.lost.losses.items():
        print(f"left out {loss.events:,}: {cause.sentence}", file=sys.stderr)
    return 3 if report.lost.damage else 0


def _as_json(report: ConversionReport) -> dict[str, object]:
    """The object of `--json`; keys of what was not wanted are absent."""
    counts: dict[str, object] = {
        "source": str(report.source),
        "target": str(report.target),
        "n_read": report.n_read,
        "n_written": report.n_written,
        "dropped": report.lost.events_by_cause(),
    }
    if report.parts:
        counts["parts"] = [{"target": str(path), "n_written": n} for path, n in report.parts]
    if report.labels:
        counts["labels"] = [str(path) for path in report.labels]
    if report.n_noise is not None:
        counts |= {"n_signal": report.n_signal, "n_noise": report.n_noise}
    return counts


def _targets(target: Path, n: int) -> list[Path]:
    """The files of a recording that is split into `n`: NAME-1 and so on."""
    return [target] if n == 1 else [target.with_name(f"{target.stem}-{k}{target.suffix}") for k in range(1, n + 1)]


def _truth(changes: Changes, options: ReadOptions) -> Truth | None:
    """A collector of the truth, if it is wanted.

    Raises:
        ConfigError: if it would not belong to all events in their order.
    """
    if changes.truth is None:
        return None
    refuse_other_suffixes(changes.truth)
    if changes.sort or changes.crop or changes.split_us or options.start_us or options.duration_us is not None:
        raise ConfigError(
            "--truth goes with a whole recording", hint="without --sort, --crop, --split-at, --start and --duration"
        )
    return Truth()


def format_to_write(target: Path, name: str | None = None) -> Format:
    """The format with this name, or the first that is written with the suffix of a target.

    Raises:
        ConfigError: if there is none, or a format of this name is read only.
    """
    rows = written_formats()
    if name is not None:
        if name not in rows:
            raise ConfigError(f"format {name!r} is not written", hint=f"use {', '.join(rows)}")
        return rows[name]
    suffix = target.suffix.lower()
    row = next((row for row in rows.values() if suffix in row.suffixes), None)
    if row is None:
        known = ", ".join(written_suffixes())
        raise ConfigError(f"{target}: no format that is written has the suffix {suffix!r}", hint=f"use {known}")
    return row


def write_events(part: Path, dst: Path, batches: Iterable[EventBatch], sensor: SensorSize, row: Format) -> int:
    """Writes events to `part`, which errors call `dst`; returns how many.

    Raises:
        ConfigError: if the format cannot hold them.
        EnvironmentProblem: if the file cannot be written.
    """
    try:
        return row.write(part, batches, sensor)
    except (ConfigError, EventError) as error:  # the writers know the temporary name only
        raise ConfigError(str(error).replace(str(part), str(dst)), hint=error.hint) from error
    except (SpikecutError, BrokenPipeError):
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EnvironmentProblem(f"{dst}: cannot be written: {reason}", hint="is there room on the disk?") from error


@dataclass(slots=True)
class _Tally:
    """Adds up the lost events while the batches pass through."""

    lost: DropCounts = field(default=NOTHING_LOST)

    def watch(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            self.lost += batch.lost
            yield batch
