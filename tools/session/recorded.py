"""What the loop was given, kept by `run --record FILE.bins`, and played again by `run FILE.bins`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, SourceError
from spikecut.pipeline.events import Frame
from spikecut.sources.datasets.gesture_labels import GestureSpan, Movement, SessionLabels
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.live.bin_file import BinFile, Label, Origin
from spikecut.tools.session.opening import OpenNetwork, OpenStream, labels_for


def origin_of(stream: OpenStream) -> Origin:
    """What a file of bins says about the stream that they are of."""
    card = stream.network.card
    names, spec = card.classes, card.spec
    return Origin(
        model=card.name,
        step_us=spec.step_us,
        frame=(spec.inputs, spec.frame.height, spec.frame.width),
        sensor=(stream.sensor.width, stream.sensor.height),
        format=stream.format,
        source=stream.path.name,
        truth=stream.class_name,
        spans=None
        if stream.spans is None
        else tuple(Label(names[s.label], s.start_us, s.end_us) for s in stream.spans),
        movements=tuple(Label(one.kind, one.start_us, one.end_us) for one in stream.movements),
        fit=stream.fit,
        simulated=stream.simulated,
    )


def open_recorded(path: Path, network: OpenNetwork, reading: ReadOptions = DEFAULTS) -> OpenStream:
    """A file of bins as a stream: each is given to the loop once more.

    Raises:
        ConfigError: if an option of reading does not apply to bins.
        SourceError: if the network takes other frames, or the file is damaged from its beginning.
    """
    given = replace(reading, start_us=0, duration_us=None, on_damage=DEFAULTS.on_damage).given
    if given:
        raise ConfigError(
            f"{path} holds bins that run --record has kept, so {given} does not apply",
            hint="--start, --duration and --on-damage do",
        )
    file, card = BinFile.open(path), network.card
    origin, spec = file.origin, card.spec
    wanted = (spec.inputs, spec.frame.height, spec.frame.width)
    if (origin.frame, origin.step_us) != (wanted, spec.step_us):
        raise SourceError(
            path,
            f"bins of {origin.step_us} us with {_shape(origin.frame)} values, kept for the network {origin.model!r}; "
            f"{card.name!r} takes {spec.step_us} us with {_shape(wanted)}",
            hint=f"--model {origin.model}",
        )

    def read(start_us: int) -> Iterable[Frame]:
        left_us = None if reading.duration_us is None else reading.duration_us - start_us
        return file.frames(reading.start_us + start_us, left_us, reading.on_damage)

    labels = None if origin.spans is None else labels_for(_labels(origin.spans, origin.movements), card)
    return OpenStream(
        path=path,
        network=network,
        format=origin.format,
        sensor=origin.sensor_size(),
        read=read,
        truth=card.classes.index(origin.truth) if origin.truth in card.classes else None,
        spans=None if labels is None else labels.spans,
        fit=origin.fit,
        movements=() if labels is None else labels.movements,
        simulated=origin.simulated,
    )


def _labels(spans: tuple[Label, ...], movements: tuple[Label, ...]) -> SessionLabels:
    """What was labelled, by the names that it had then."""
    named = tuple(GestureSpan(0, one.start_us, one.end_us, one.name) for one in spans)
    return SessionLabels(named, (), tuple(Movement(one.name, one.start_us, one.end_us) for one in movements))


def _shape(sizes: tuple[int, ...]) -> str:
    """`2x32x32`"""
    return "x".join(map(str, sizes))
