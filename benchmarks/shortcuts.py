"""What the drawn gestures give away without time: ridge regression on count images, other users than the fit.

`python -m benchmarks.shortcuts [TRAIN_USERS TEST_USERS]`; whole gestures, 32 x 32 squares, both polarities.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy import ndarray

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.metrics.intervals import wilson
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.segments import cut
from spikecut.sources.simulation.gestures import SENSOR, drawn_session, drawn_users

LOOKS = {"the first 20 ms": 20_000, "the first 300 ms": 300_000, "the whole gesture": None}
PAIRS = ((3, 4), (5, 6))


def counts_of(user: int) -> tuple[dict[str, ndarray], ndarray]:
    session = drawn_session(user)
    spans = list(session.spans())
    images: dict[str, list[ndarray]] = {name: [] for name in LOOKS}
    for _, batch in cut(session, spans):
        frames = [f.pixels for f in CountBinner(SENSOR, 20_000, "float32", downsample=4).bins([batch])]
        for name, length_us in LOOKS.items():
            n = len(frames) if length_us is None else length_us // 20_000
            images[name].append(np.log1p(np.sum(frames[:n], axis=0)).ravel())
    return {name: np.array(rows) for name, rows in images.items()}, np.array([span.label for span in spans])


def gather(users: list[int]) -> tuple[dict[str, ndarray], ndarray]:
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(counts_of, users))
    return {name: np.concatenate([p[0][name] for p in parts]) for name in LOOKS}, np.concatenate([p[1] for p in parts])


def ridge(x: ndarray, y: ndarray, new: ndarray, strength: float) -> ndarray:
    """Scores `(N, K)` of new rows, for targets `y` `(M, K)`."""
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x, new = (x - mean) / scale, (new - mean) / scale
    return np.asarray(new @ (x.T @ np.linalg.solve(x @ x.T + strength * np.eye(len(x)), y)))


def main() -> None:
    n_train, n_test = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (60, 40)
    x, y = gather(drawn_users(435, "train")[:n_train])
    new, truth = gather(drawn_users(435, "test")[:n_test])
    print(
        f"ridge on count images: {len(y)} gestures of {n_train} drawn users, tested on {len(truth)} of {n_test} others"
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
