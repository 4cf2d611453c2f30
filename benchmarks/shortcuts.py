"""What the drawn gestures give away without time: ridge regression on count images, other users than the fit.

`python -m benchmarks.shortcuts [TRAIN_USERS TEST_USERS] [--version 2]`; 32 x 32 squares, both polarities.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from numpy import ndarray

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.metrics.intervals import wilson
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.segments import cut
from spikecut.sources.simulation.drawn_people import session_of
from spikecut.sources.simulation.gestures import SENSOR, drawn_users

LOOKS = {"the first 20 ms": 20_000, "the first 300 ms": 300_000, "the whole gesture": None}
PAIRS = ((3, 4), (5, 6))


def counts_of(user: int, version: int, quick: bool) -> tuple[dict[str, ndarray], ndarray]:
    session = session_of(user, version=version, quick=quick)
    spans = list(session.spans())
    images: dict[str, list[ndarray]] = {name: [] for name in LOOKS}
    for _, batch in cut(session, spans):
        frames = [f.pixels for f in CountBinner(SENSOR, 20_000, "float32", downsample=4).bins([batch])]
        for name, length_us in LOOKS.items():
            n = len(frames) if length_us is None else length_us // 20_000
            images[name].append(np.log1p(np.sum(frames[:n], axis=0)).ravel())
    return {name: np.array(rows) for name, rows in images.items()}, np.array([span.label for span in spans])


def gather(users: list[int], version: int, quick: bool) -> tuple[dict[str, ndarray], ndarray]:
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(partial(counts_of, version=version, quick=quick), users))
    return {name: np.concatenate([p[0][name] for p in parts]) for name in LOOKS}, np.concatenate([p[1] for p in parts])


def ridge(x: ndarray, y: ndarray, new: ndarray, strength: float) -> ndarray:
    """Scores `(N, K)` of new rows, for targets `y` `(M, K)`."""
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x, new = (x - mean) / scale, (new - mean) / scale
    return np.asarray(new @ (x.T @ np.linalg.solve(x @ x.T + strength * np.eye(len(x)), y)))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shortcuts", description=__doc__)
    parser.add_argument("users", type=int, nargs="*", default=(60, 40), help="to fit and to test (default: 60 40)")
    parser.add_argument("--version", type=int, default=1, help="of the drawing (default: 1)")
    parser.add_argument("--quick", action="store_true", help="of each gesture 3 s at most")
    chosen = parser.parse_args(argv)
    n_train, n_test = chosen.users
    x, y = gather(drawn_users(435, "train")[:n_train], chosen.version, chosen.quick)
    new, truth = gather(drawn_users(435, "test")[:n_test], chosen.version, chosen.quick)
    print(
        f"ridge on count images, drawing version {chosen.version}: {len(y)} gestures of {n_train} drawn users, tested "
        f"on {len(truth)} of {n_test} others"
    )
    for name in LOOKS:
        best = max(
            float((ridge(x[name], np.eye(len(GESTURES))[y], new[name], strength).argmax(1) == truth).mean())
            for strength in (1e2, 1e3, 1e4, 1e5)
        )
        share = wilson(round(best * len(truth)), len(truth))
        print(
            f"  {name:<18} {share.value:.1%} right (95 % {share.low:.1%} to {share.high:.1%}), best of four strengths"
        )
    for one, other in PAIRS:
        fit, test = np.isin(y, (one, other)), np.isin(truth, (one, other))
        name = "the whole gesture"
        scores = ridge(x[name][fit], np.where(y[fit] == one, 1.0, -1.0)[:, None], new[name][test], 1e3)[:, 0]
        n_right = int(((scores > 0) == (truth[test] == one)).sum())
        share = wilson(n_right, int(test.sum()))
        print(f"  {GESTURES[one]} or counter: {share.value:.1%} (95 % {share.low:.1%} to {share.high:.1%})")


if __name__ == "__main__":
    main()
