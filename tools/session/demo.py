"""`spikecut demo`: the whole way with nothing but the package: a drawn person gestures, and is understood early."""

import shlex
import sys
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.simulation.gestures import LIGHTINGS, DrawnSession, drawn_users, write_session
from spikecut.tools.session.run import run_run

MODEL = "gestures"


def run_demo(out: Path, *, count: int, seed: int, save: Path | None, overwrite: bool) -> int:
    """Writes a session of `count` drawn gestures, then names each from the file, with overlay and summary.

    The person is one of those drawn for testing: no network was trained or calibrated on them.

    Raises:
        ConfigError: if there is nothing to show.
    """
    if count < 1:
        raise ConfigError(f"a demo of {count} gestures; it needs at least one")
    session = demo_session(count, seed)
    folder = out / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    path = write_session(folder, session)
    video = save or out / "demo.mp4"
    print(f"{count} gestures, drawn and seen by a simulated DVS128 (no real person) -> {path}")
    print(f"network {MODEL}, which never saw a real person either\n", flush=True)
    code = run_run(
        path,
        model=MODEL,
        cutoff=None,
        once=False,
        save=video,
        overwrite=overwrite or save is None,
        as_json=False,
    )
    print(f"-> {video}", flush=True)
    print(f"next: {shlex.quote(sys.argv[0])} run {shlex.quote(str(path))} --speed 1", file=sys.stderr)
    return code


def demo_session(count: int, seed: int) -> DrawnSession:
    """A test user under one of the lights, with all gestures in an order of their own before any comes again."""
    rng = np.random.default_rng(seed)
    users = drawn_users(435, "test")
    order = np.concatenate([rng.permutation(len(GESTURES)) for _ in range(-(-count // len(GESTURES)))])[:count]
    user = users[seed % len(users)]
    return DrawnSession(user, LIGHTINGS[user % len(LIGHTINGS)], 0, tuple(order.tolist()), quick=True)
