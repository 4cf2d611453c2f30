"""`spikecut demo`: the whole way with nothing but the package: drawn digits, written, read, named early."""

import shlex
import sys
import time
from pathlib import Path

from spikecut.models import checkpoint
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.results import Decision
from spikecut.pipeline.runner import watch
from spikecut.sources.atis import write_atis
from spikecut.sources.shapes import DrawnDigit
from spikecut.tools.cutoffs import find_cutoff
from spikecut.tools.feeding import open_for
from spikecut.tools.lines import as_text
from spikecut.tools.run import Tally, video_of

MODEL = "nmnist"


def run_demo(out: Path, *, count: int, seed: int, save: Path | None, overwrite: bool) -> int:
    """Writes `count` recordings of drawn digits, then names each from its file, with overlay and summary."""
    if count < 1:
        raise ConfigError(f"a demo of {count} digits; it needs at least one")
    weights = checkpoint.locate(MODEL)
    stepper, card = checkpoint.load(weights)
    decider = find_cutoff(None, weights, card)
    paths = write_recordings(out / "recordings", count, seed)
    video_path = save or out / "demo.mp4"
    print(f"{count} drawn digits seen by a simulated camera -> {out / 'recordings'}/<digit>/*.bin")
    print(
        f"network {card.name}, trained on real N-MNIST events; cutoff {decider.rule}, bins of "
        f"{card.spec.step_us / 1000:g} ms, full window {card.horizon * card.spec.step_us / 1000:g} ms\n"
    )

    recording, binner = open_for(paths[0], card)
    for _ in watch(binner.bins(recording), stepper, decider, horizon=card.horizon):
        pass  # once without the clock: kernels are compiled, memory is allocated

    tally, n_right, steps, waited_us, thinking_s = Tally(), 0, 0, 0, 0.0
    started = time.perf_counter()
    with video_of(video_path, card, decider, overwrite=overwrite or save is None) as video:
        for path in paths:
            truth = card.classes.index(path.parent.name)
            video.begin(f"{path.parent.name}/{path.name} (drawn)", truth)
            recording, binner = open_for(path, card)
            items = watch(tally.over(binner.bins(recording)), stepper, decider, horizon=card.horizon)
            while True:
                asked = time.perf_counter()
                item = next(items, None)
                thinking_s += time.perf_counter() - asked
                if item is None:
                    break
                video.write(item)
                if isinstance(item, Decision):
                    print(as_text(item, card, truth), flush=True)
                    n_right += item.label == truth
                    steps += item.steps
                    waited_us += item.latency_us
        full_ms = card.horizon * card.spec.step_us / 1000
        mean_ms = waited_us / 1000 / count
        summary = [
            f"{n_right} of {count} drawn digits named right",
            f"mean time to the answer\t{mean_ms:.0f} ms",
            f"full window\t{full_ms:.0f} ms",
            f"network steps\t{steps} instead of {count * card.horizon}",
        ]
        video.card(summary)
    wall_s = time.perf_counter() - started
    sensor_s = tally.sensor_us / 1e6
    print(
        f"\n{n_right} of {count} right   mean time {mean_ms:.0f} ms of {full_ms:.0f} ms   "
        f"{steps} steps instead of {count * card.horizon}   {tally.lost.total} events lost"
    )
    print(
        f"{sensor_s:.1f} s of recordings: read, binned, stepped and decided in {thinking_s:.2f} s "
        f"({sensor_s / thinking_s:.0f}x real time), with the video in {wall_s:.2f} s ({sensor_s / wall_s:.1f}x)"
    )
    print(f"-> {video_path}", flush=True)
    print(f"next: {shlex.quote(sys.argv[0])} run {shlex.quote(str(paths[0]))} --model {MODEL}", file=sys.stderr)
    return 0


def write_recordings(folder: Path, count: int, seed: int) -> list[Path]:
    """Writes `<digit>/drawn_<n>.bin` for the digits 0, 1, 2, … in turn; those of an earlier demo go."""
    for earlier in folder.glob("[0-9]/drawn_*.bin"):
        earlier.unlink()
    paths = []
    for n in range(count):
        digit = n % 10
        path = folder / str(digit) / f"drawn_{n:03d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atis(path, DrawnDigit(digit, seed + n))
        paths.append(path)
    return paths
