"""Reads one damaged file, and holds what comes out against the promises. Nothing here knows what the damage was."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from compatibility.observed import RUN

from fuzz.subjects import Subject
from spikecut.pipeline.errors import CorruptRecording, SpikecutError
from spikecut.pipeline.events import DropCause
from spikecut.sources import open_recording
from spikecut.sources.formats.base import Recording, TextLayout

from source_contract import Collected, _collect

EVERY = 8  # of so many mutants one is read in another way, too


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a file: `refused` in a sentence, or read with `causes` of damage; `digest` identifies the events."""

    refused: str = ""
    causes: tuple[str, ...] = ()
    digest: str = ""
    n_events: int = 0
    n_lost: int = 0
    bytes_lost: int = 0


class Broken(Exception):
    """A promise that was not kept."""


def read(subject: Subject, path: Path, index: int) -> Reading:
    """Reads the file of a subject.

    Raises:
        Broken: if what comes out breaks a promise.
        BaseException: any other error is a finding, too.
    """
    try:
        return CHECKS[subject.check](subject, path, index)
    except SpikecutError as error:
        if any(ord(one) < 32 for one in str(error)):
            raise Broken(f"a control character in the message {str(error)!r}") from error
        return Reading(refused=type(error).__name__)


def _opened(subject: Subject, path: Path, batch_events: int, **options: object) -> Recording:
    stated = subject.group != "text" or subject.data.startswith(b"#")  # by a header of its own
    text = None if stated else TextLayout(subject.columns)
    sensor = subject.sensor
    return open_recording(path, sensor=sensor, text=text, batch_events=batch_events, **options)  # type: ignore[arg-type]


def _recording(subject: Subject, path: Path, index: int) -> Reading:
    source = _opened(subject, path, 200)
    collected = _contract(source)
    damage = collected.lost.damage
    way = index % EVERY
    if way == 1:
        _same_in_other_batches(subject, path, collected)
    elif way == 2:
        _refused_if_damaged(subject, path, bool(damage))
    elif way == 3:
        _stretch(subject, path, collected)
    digest = hashlib.sha256(b"".join(column.tobytes() for column in _columns(collected))).hexdigest()[:16]
    return Reading(
        "",
        tuple(sorted(cause.value for cause in damage.losses)),
        digest,
        len(collected.t),
        collected.lost.total,
        sum(loss.bytes for cause, loss in collected.lost.losses.items() if cause in _BY_BYTES),
    )


_BY_BYTES = (DropCause.unreadable, DropCause.cut_off)


def _columns(collected: Collected) -> tuple[np.ndarray, ...]:
    return (collected.t, collected.x, collected.y, collected.p)


def _contract(source: Recording) -> Collected:
    try:
        return _collect(source)
    except AssertionError as error:
        raise Broken(f"a broken contract: {str(error) or 'an event out of range'}") from error


def _same_in_other_batches(subject: Subject, path: Path, collected: Collected) -> None:
    other = _contract(_opened(subject, path, 65_536))
    if other.lists() != collected.lists():
        raise Broken(f"{len(other.t)} events in large batches, {len(collected.t)} in small ones, or others")
    if other.losses() != collected.losses():
        raise Broken(f"lost in large batches {other.losses()}, in small ones {collected.losses()}")


def _refused_if_damaged(subject: Subject, path: Path, damaged: bool) -> None:
    try:
        for _ in _opened(subject, path, 200, on_damage="refuse"):
            pass
    except CorruptRecording:
        if not damaged:
            raise Broken("refused as damaged, and yet no damage is counted") from None
        return
    if damaged:
        raise Broken("damage is counted, and yet on_damage='refuse' raises nothing")


def _stretch(subject: Subject, path: Path, whole: Collected) -> None:
    if not len(whole.t):
        return
    try:
        part = _contract(_opened(subject, path, 200, start_us=20_000, duration_us=10_000))
    except SpikecutError:
        return
    if len(part.t) > len(whole.t):
        raise Broken(f"a stretch has {len(part.t)} events, the whole {len(whole.t)}")


def _cutoff(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.pipeline.recorded import RecordedOutputs, sweep
    from spikecut.pipeline.rules.cutoff_file import load_cutoff

    cutoff = load_cutoff(path).cutoff
    n_classes = getattr(getattr(cutoff, "readout", None), "members", 1) * 4
    if n_classes < 1000 and cutoff.horizon <= 100:
        outputs = np.ones((2, cutoff.horizon, n_classes), np.float32)
        sweep(RecordedOutputs(outputs, np.zeros(2, np.int64)), cutoff)
    return Reading()


def _card(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.models.files.opening import SHIPPED, load

    weights = path.with_suffix(".safetensors")
    if not weights.exists():
        shutil.copy(SHIPPED / "nmnist.safetensors", weights)
    load(weights)
    return Reading()


def _weights(subject: Subject, path: Path, index: int) -> Reading:
    """Damaged weights under a card with the sum of the damaged file: the sum alone would refuse them all."""
    from spikecut.models.files.opening import SHIPPED, load

    card = json.loads((SHIPPED / "nmnist.json").read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({**card, "weights_sha256": digest}))
    load(path)
    return Reading()


def _policy_card(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.models.policy.file import read_policy_card

    read_policy_card(path)
    return Reading()


def _recipe(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.tools.training.recipe import read_recipe

    read_recipe(path)
    return Reading()


def _config(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.tools.commands import COMMANDS
    from spikecut.tools.config import with_config

    with_config(["run", "a.bin", "--config", str(path)], COMMANDS)
    return Reading()


def _outputs(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.pipeline.outputs_file import load_outputs

    recorded, _ = load_outputs(path)
    if not np.isfinite(recorded.outputs).all():
        raise Broken("outputs that are not finite")
    return Reading()


def _evaluation(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.tools.reports.evaluation_file import read_evaluation

    folder = path.with_name("evaluation")
    if not folder.exists():
        shutil.copytree(RUN / "evaluation", folder)
    shutil.copy(path, folder / "evaluation.json")
    read_evaluation(folder)
    return Reading()


def _pictures(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.sources.datasets.images.open_images import open_pictures

    error: SpikecutError | None = None
    for one in open_pictures(path).pictures:
        try:
            one.pixels()
        except SpikecutError as caught:
            error = caught
    if error is not None:
        raise error
    return Reading()


def _picture(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.sources.datasets.images.image_files import colours

    if colours(path.read_bytes(), path).dtype != np.uint8:
        raise Broken("pixels that are no bytes")
    return Reading()


def _pickle(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.sources.datasets.images.plain_pickle import plain

    plain(path.read_bytes(), path)
    return Reading()


def _labels(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.sources.datasets.gesture_labels import GESTURES, read_labels

    for span in read_labels(path).spans:
        if not 0 <= span.label < len(GESTURES):
            raise Broken(f"a label {span.label}")
    return Reading()


def _trials(subject: Subject, path: Path, index: int) -> Reading:
    from spikecut.sources.datasets.dvs_gesture import LISTS, open_gesture_set

    folder = path.with_name("DvsGesture")
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / LISTS["train"])
    (folder / LISTS["test"]).touch()
    open_gesture_set(folder)
    return Reading()


CHECKS: dict[str, Callable[[Subject, Path, int], Reading]] = {
    "recording": _recording,
    "cutoff": _cutoff,
    "card": _card,
    "weights": _weights,
    "policy_card": _policy_card,
    "recipe": _recipe,
    "config": _config,
    "outputs": _outputs,
    "evaluation": _evaluation,
    "pictures": _pictures,
    "picture": _picture,
    "pickle": _pickle,
    "labels": _labels,
    "trials": _trials,
}
