"""How often the alarm for drift sounds on drawn sessions: like the calibration data, and under conditions that are not.

    python -m benchmarks.drift [--model gestures] [--n USERS] [--only WORD ...] [--json]

The first users of the test part perform the gestures, a session each, played through onset, network and cutoff as
`run` does; each session is a stream. A row a condition: answers, how many people raised an alarm, and of how many
answers the promise was suspended. As drawn, a share of 6/(n + 1) of people or fewer is to raise one
(`pipeline/metrics/drift.py`).
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.hard_conditions import CONDITIONS
from benchmarks.parts.report import machine
from benchmarks.parts.under_conditions import Seen
from spikecut.models.files import opening
from spikecut.pipeline.events import Frame
from spikecut.pipeline.fit import fit_for
from spikecut.pipeline.results import Decision
from spikecut.sources.simulation.drawn_people import session_of
from spikecut.sources.simulation.gestures import drawn_users
from spikecut.tools.cutoff_lookup import find_cutoff, rejecting_for
from spikecut.tools.session.drifting import DriftWatch
from spikecut.tools.session.observing import observed
from spikecut.tools.session.opening import OpenNetwork

N_USERS = 12
ROWS = ("as drawn", "shot noise x15", "dim light", "scale 0.6", "two people, one passes", "640x480 squeezed")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="gestures", help="a network of gestures (default: gestures)")
    parser.add_argument("--n", type=int, default=N_USERS, help=f"users, some 12 gestures each (default: {N_USERS})")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="conditions with such a name")
    parser.add_argument("--json", action="store_true", help="one JSON object a condition")
    chosen = parser.parse_args(argv)
    torch.set_num_threads(1)
    network = _network(chosen.model)
    users = drawn_users(435, "test")[: chosen.n]
    if not chosen.json:
        print(f"{network.card.name}, cutoff {network.card.default_cutoff}, {len(users)} users; {machine()}")
        print("| condition | answers | people who raised an alarm | answers while suspended |\n" + "|---" * 4 + "|")
    for seen in CONDITIONS:
        for name, fit in seen.fits:
            if name in ROWS and any(word in name for word in chosen.only):
                row = {"condition": name, **_played(network, seen, fit, users)}
                print(json.dumps(row) if chosen.json else _line(row), flush=True)


def _network(name: str) -> OpenNetwork:
    """A network and its default cutoff, as `run` has them."""
    weights = opening.locate(name)
    stepper, card = opening.load(weights)
    fitted = find_cutoff(None, weights, card)
    return OpenNetwork(card, stepper, fitted.cutoff, fitted, rejecting_for(None, fitted, card))


def _played(network: OpenNetwork, seen: Seen, fit: str, users: Sequence[int]) -> dict[str, Any]:
    """The counts over all sessions of one condition."""
    n_answers = n_people = n_suspended = 0
    for user in users:
        watch = DriftWatch.of(network.fitted, simulated=True)
        for item in observed(_frames(network, seen, fit, user), network):
            watch.see(item)
            n_suspended += isinstance(item, Decision) and item.revises is None and watch.state.suspended
        n_answers += watch.state.n
        n_people += watch.state.n_alarms > 0
    return {"answers": n_answers, "people": len(users), "raised_an_alarm": n_people, "suspended": n_suspended}


def _frames(network: OpenNetwork, seen: Seen, fit: str, user: int) -> Iterator[Frame]:
    """A session of a user under a condition, as the frames of the network."""
    spec = network.card.spec
    session = session_of(user, 0, quick=True, version=1)
    yield from fit_for(fit, seen.condition.sensor, spec.frame).binner(spec.step_us).bins(session.events(seen.condition))


def _line(row: dict[str, Any]) -> str:
    return (
        f"| {row['condition']} | {row['answers']} | {row['raised_an_alarm']} of {row['people']} | {row['suspended']} |"
    )


if __name__ == "__main__":
    main()
