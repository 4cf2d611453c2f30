"""A rehearsal at real size: a whole data set by one process and by two, with cutoff and without.

    python -m benchmarks.rehearsal FOLDER [--json] [--model NAME] [--cutoff RULE] [--jobs N ...] [--part P] [--out RUNS]

Each line is the whole command `spikecut replay FOLDER --stop RULE --jobs N --out RUN`: recordings a second after the
first batch of every worker, wall time with start and listing, the share of the workers' time in which they waited for
the driver, peak memory of the largest worker and of this process, which drives all runs. Run folders are kept in RUNS
where it is given, so that an interrupted rehearsal goes on; a line of such a run counts what was left only.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch

from benchmarks.parts.replaying import paced
from benchmarks.parts.report import machine
from spikecut.sources.datasets.parts import Part


def rows(chosen: argparse.Namespace, runs: Path) -> Iterator[dict[str, Any]]:
    """Every number of processes without cutoff and with; `times_none` compares the rates of equal numbers."""
    without: dict[int, float] = {}
    for jobs in chosen.jobs:
        for rule in ("none", chosen.cutoff):
            words = [str(chosen.folder), "--model", chosen.model, "--part", chosen.part, "--stop", rule]
            pace = paced([*words, "--out", str(runs / f"{rule}-{jobs}")], jobs)
            without.setdefault(jobs, pace.rate)
            figures = {name: round(value, 4) for name, value in asdict(pace).items()}
            of_one = without[chosen.jobs[0]] if rule == "none" else None
            yield {
                "rule": rule,
                **figures,
                "times_none": round(pace.rate / without[jobs], 3),
                **({"times_first": round(pace.rate / of_one, 3)} if of_one else {}),
            }


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default="ncaltech101")
    parser.add_argument("--cutoff", default="ltt")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--part", choices=get_args(Part), default="all")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"rehearsal with {chosen.folder}; {machine()}", file=sys.stderr if chosen.json else sys.stdout, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows(chosen, chosen.out or Path(scratch)):
            if chosen.json:
                print(json.dumps(row), flush=True)
                continue
            print(
                f"  {row['rule']:<8}{row['jobs']:>3} jobs{row['n']:>7} recordings{row['rate']:>9.1f} a second "
                f"({row['times_none']:.2f}x none), {row['wall_s']:.1f} s in all, waiting {row['overhead']:.1%}, "
                f"worker {row['worker_mb']:.0f} MB, driver {row['driver_mb']:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
