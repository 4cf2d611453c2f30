"""What the page is sent: once what stays, then the newest state again and again.

A state is a length of 4 bytes (little endian), so many bytes of JSON, and the picture: a byte a pixel, 0 to 31 for the
shades of ON events, 32 to 63 for those of OFF events. The page has the colours.
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import printable
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.sources.live.controls import KEYS
from spikecut.tools.views.base import Summary
from spikecut.tools.views.header import NO_GESTURE, operations_words, verdict_of
from spikecut.tools.views.icons import Icon, icon_of
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.scene import Scene, softmax
from spikecut.tools.views.spikes import NOT_COUNTED

_SHADES = 32


class Answer(NamedTuple):
    """A decision of the timeline; its verdict where the recording is labelled."""

    label: int
    time_us: int
    verdict: Outcome | None


def beginning(overlay: Overlay, keys: Mapping[str, str] = KEYS, palette: str | None = None) -> dict[str, Any]:
    """What stays: classes with icons, the window, the thresholds, the keys, the panes, and the `palette` if given."""
    limits = overlay.thresholds
    return {
        "names": [printable(name) for name in overlay.names],
        "icons": [_lines(icon_of(name)) for name in overlay.names],
        "horizon": overlay.horizon,
        "step_us": overlay.step_us,
        "thresholds": None if limits is None else [_finite(limit) for limit in limits],
        "keys": dict(keys),
        "panes": overlay.style.panes,
        "palette": palette,
    }


def message(
    overlay: Overlay, scene: Scene, answers: Sequence[Answer], status: str, summary: Summary | None = None
) -> bytes:
    """A state as bytes; `summary` of a run that is over."""
    fields = state(overlay, scene, answers, status)
    if summary is not None:
        fields["over"] = summary.page() or [f"{summary.n_decisions} decisions in {summary.n_steps} steps"]
    pixels = b""
    if scene.activity is not None:
        image = shade_numbers(scene.activity, scene.white)
        fields["size"], pixels = [image.shape[1], image.shape[0]], image.tobytes()
    words = json.dumps(fields, allow_nan=False).encode()
    return len(words).to_bytes(4, "little") + words + pixels


def state(overlay: Overlay, scene: Scene, answers: Sequence[Answer], status: str) -> dict[str, Any]:
    """A scene as an object of JSON; times are in µs, counted from the recording's first moment."""
    names, decision, verdict = overlay.names, scene.decision, verdict_of(scene)
    began_us = scene.began_us or 0
    total = scene.total if scene.total is not None else np.zeros(len(names), np.float32)
    rests = scene.total is None or scene.resting
    doing = NO_GESTURE if scene.rejected else "deciding …" if scene.scores and not scene.resting else "watching …"
    answer = None
    if decision is not None:
        reason = decision.reason.value
        answer = {"label": decision.label, "steps": decision.steps, "after_us": decision.latency_us, "reason": reason}
    return {
        "title": printable(scene.title),
        "doing": doing,
        "decision": answer,
        "verdict": None if verdict is None else verdict.name,
        "truth": scene.truth,
        "resting": rests and decision is None,
        "probability": [round(float(one), 4) for one in softmax(total)],
        "leader": decision.label if decision else None if rests else int(np.argmax(total)),
        "scores": [_finite(score) for score in scene.scores[: overlay.horizon]],
        "seen_us": scene.seen_us,
        "now_us": scene.now_us - began_us,
        "n_events": scene.n_events,
        "n_lost": scene.n_lost,
        "past": [verdict.name for verdict in scene.past[-200:]],
        "n_right": sum(verdict is Outcome.right for verdict in scene.past),
        "n_past": len(scene.past),
        "answers": [
            [one.label, one.time_us - began_us, None if one.verdict is None else one.verdict.name] for one in answers
        ],
        "operations": operations_words(scene) if "operations" in overlay.style.panes else "",
        "spikes": _spikes(scene) if overlay.shows_spikes(scene) else None,
        "status": status,
    }


def _spikes(scene: Scene) -> dict[str, Any]:
    """For each layer the length of its bar, and its numbers in words; what stands above them."""
    firing = scene.firing
    rows = [[round(length, 4), last, so_far] for length, last, so_far in firing.rows()]
    words = "last step · so far" if rows else NOT_COUNTED if firing.n_uncounted else ""
    return {"layers": rows, "words": words, "rest": scene.resting or scene.decision is not None}


def shade_numbers(activity: Float32[ndarray, "2 H W"], white: float) -> UInt8[ndarray, "H W"]:
    """The picture as shades: the stronger polarity has the pixel to itself.

    >>> shade_numbers(np.float32([[[0.0, 2.0]], [[1.0, 0.0]]]), 2.0).tolist()
    [[16, 63]]
    """
    shade = np.minimum(activity * np.float32((_SHADES - 1) / white) + np.float32(0.5), _SHADES - 1)
    off, on = shade.astype(np.uint8)
    return np.asarray(np.where(on >= off, on, off + np.uint8(_SHADES)))


def _lines(icon: Icon | None) -> list[list[list[tuple[float, float]]]] | None:
    """The lines of an icon: those of its figure, and those of what moves."""
    if icon is None:
        return None
    return [[[(round(x, 2), round(y, 2)) for x, y in line] for line in lines] for lines in icon]


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return round(float(value), 5) if isfinite(value) else None
