"""`spikecut run` before one picture: it stands still until the network has seen enough of it."""

import sys
import time
from pathlib import Path
from typing import Any

from spikecut.models.card import ModelCard
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.results import Decision
from spikecut.pipeline.runner import run
from spikecut.tools.frame_streams import look_at
from spikecut.tools.session import decision_text as lines


def run_picture(
    path: Path, stepper: SteppedModel[Any], card: ModelCard, decider: CutoffDecider[Any], *, as_json: bool
) -> int:
    """Names what a picture shows: the decision to stdout, what it took to stderr.

    Raises:
        UnreadableSource: if it is no picture.
    """
    frames, class_name = look_at(path, card)
    truth = card.classes.index(class_name) if class_name in card.classes else None
    started = time.perf_counter()
    for item in run(frames, stepper, decider, horizon=card.horizon):
        if isinstance(item, Decision):
            as_line = lines.as_object if as_json else lines.as_text
            print(as_line(item, card, truth, decider.rule))
    print(f"stepped and decided in {1000 * (time.perf_counter() - started):.0f} ms", file=sys.stderr)
    return 0
