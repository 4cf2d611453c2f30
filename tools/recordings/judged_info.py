"""`spikecut info FILE --model NETWORK`: what is in a recording, and whether it suits a network; one pass over it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.fit import Fits
from spikecut.pipeline.metrics.recording_quality import QualityMeter
from spikecut.sources.datasets.base import INPUTS
from spikecut.sources.datasets.frames import binner_for
from spikecut.sources.formats.base import Recording
from spikecut.sources.formats.open import open_with
from spikecut.tools.cutoff_lookup import find_cutoff
from spikecut.tools.frame_streams import view_of
from spikecut.tools.reading_options import read_options
from spikecut.tools.recordings.info import info_lines, info_object, info_of, spans_beside
from spikecut.tools.recordings.judging import FACTOR, BinStatistics, as_json, findings_of, likeness, unlike

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.info import Info


@dataclass(frozen=True, slots=True)
class Observed:
    """A recording whose batches pass through a meter and the bins of a network, once, while it is read."""

    recording: Recording
    meter: QualityMeter
    bins: BinStatistics
    binner: Any

    @property
    def path(self) -> Path:
        return self.recording.path

    @property
    def format(self) -> str:
        return self.recording.format

    @property
    def sensor(self) -> SensorSize:
        return self.recording.sensor

    def __iter__(self) -> Iterator[EventBatch]:
        waiting: list[EventBatch] = []

        def noted() -> Iterator[EventBatch]:
            for batch in self.meter.over(self.recording):
                waiting.append(batch)
                yield batch

        for _ in self.bins.over(self.binner.bins(noted())):
            yield from waiting
            waiting.clear()
        yield from waiting


def run_judged_info(options: "Info", model: str) -> int:
    """The command with `--model`: 0 if the recording is sound, 3 if a part of it was lost.

    Raises:
        ConfigError: if the network looks at pictures, or the fit is a window that does not lie on the sensor.
        ModelError: if there is no such network or cutoff.
    """
    assert options.file is not None  # `Info.run`
    weights = opening.locate(model)
    card = opening.card_of(weights)
    if INPUTS[card.spec.input_kind].still:
        raise ConfigError(f"--model {model}: looks at pictures", hint=INPUTS["events"].network_hint)
    fitted = find_cutoff(options.cutoff, weights, card)
    reading, fits = read_options(options), Fits()
    recording = open_with(options.file, reading)
    binner = binner_for(recording.sensor, view_of(card, reading, fits), str(options.file))
    bins = BinStatistics()
    meter = QualityMeter(recording.sensor)
    spans = spans_beside(options.file) if reading.is_whole else ()
    report = info_of(Observed(recording, meter, bins, binner), spans)
    quality = meter.finish()
    findings, places = list(findings_of(quality)), []
    if fitted.reference is not None:
        places = likeness(bins, quality, card.spec.step_us, fitted.reference)
        findings += unlike(places, fitted.reference)
    judgement = {
        "model": card.name,
        "fit": str(fits) or "whole",
        **as_json(quality, recording.sensor),
        "reference": None if fitted.reference is None else fitted.reference.about,
        "likeness": {one.name: {"value": round(one.value, 6), "place": one.place, "like": one.like} for one in places},
        "findings": [asdict(one) for one in findings],
    }
    if options.json:
        print(json.dumps({**info_object(report), "judgement": judgement}))
        return 3 if report.damage else 0
    for line in [*info_lines(report), *judgement_lines(judgement)]:
        print(printable(line))
    return 3 if report.damage else 0


def judgement_lines(judgement: dict[str, Any]) -> Iterator[str]:
    """The judgement for people, a line each."""
    yield f"for {judgement['model']}"
    fit = judgement["fit"]
    yield f"  fit       {'as it is' if fit == 'whole' else f'{fit}; --fit crop, squeeze or X,Y,WxH changes it'}"
    about = judgement["reference"] or "its cutoff has no statistics; spikecut calibrate writes them"
    yield f"  compared  with {about}" if judgement["reference"] else f"  compared  with nothing: {about}"
    for name, one in judgement["likeness"].items():
        yield f"  {name.replace('_', ' '):<15} {one['value']:,.4g}: {one['place']} of the calibration recordings"
    for one in judgement["findings"]:
        yield f"  {one['name'].replace('_', ' ')}: {one['sentence']} {one['advice']}"
    if not judgement["findings"]:
        beyond = [
            f"the {name.replace('_', ' ')} is {one['place']}"
            for name, one in judgement["likeness"].items()
            if one["place"].startswith(("below", "above"))
        ]
        far = f"; {', '.join(beyond)} of the calibration recordings, by less than a factor {FACTOR}"
        yield f"  judgement {f'nothing far off{far}' if beyond else 'nothing unusual'}"
