"""`spikecut run` on one picture: it is shown at every step until the decider stops."""

import sys
import time
from pathlib import Path

from spikecut.pipeline.results import Decision
from spikecut.pipeline.runner import run
from spikecut.tools.frame_streams import look_at
from spikecut.tools.session import decision_text as lines
from spikecut.tools.session.opening import OpenNetwork


def run_picture(path: Path, network: OpenNetwork, *, as_json: bool) -> int:
    """Classifies a picture: the decision to stdout, the time to stderr.

    Raises:
        UnreadableSource: if it is no picture.
    """
    card, decider = network.card, network.decider
    frames, class_name = look_at(path, card)
    truth = card.classes.index(class_name) if class_name in card.classes else None
    started = time.perf_counter()
    for item in run(frames, network.stepper, decider, horizon=card.horizon):
        if isinstance(item, Decision):
            as_line = lines.as_object if as_json else lines.as_text
            print(as_line(item, card, truth, decider.rule))
    print(f"stepped and decided in {1000 * (time.perf_counter() - started):.0f} ms", file=sys.stderr)
    return 0
