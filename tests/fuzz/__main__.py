"""`make fuzz`: damaged copies of every kind of file, read in child processes, and the result in docs/reliability.md."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz import report
from fuzz.peers import compared
from fuzz.subjects import Subject, subjects
from fuzz.supervising import Tally, tallied
from fuzz.worker import made

FINDINGS = Path("fuzz-findings")


def shares(groups: Mapping[str, Sequence[Subject]], n: int) -> dict[str, int]:
    """How many of `n` mutants each group gets: by its weight; together `n` or a few more."""
    weights = {name: sum(one.weight for one in group) / len(group) for name, group in groups.items()}
    total = sum(weights.values())
    return {name: -(-int(n * 1000 * weight / total) // 1000) for name, weight in weights.items()}


def keep(groups: Mapping[str, list[Subject]], tallies: Sequence[Tally]) -> None:
    """Writes the files of all findings, and a line about each."""
    FINDINGS.mkdir(exist_ok=True)
    with (FINDINGS / "findings.jsonl").open("a") as log:
        for finding in (one for tally in tallies for one in tally.findings):
            subject, mutant = made(groups[finding["group"]], finding["seed"], finding["index"])
            name = (
                f"{finding['group'].replace(' ', '-').strip('-')}-{finding['seed']}-{finding['index']}{subject.suffix}"
            )
            (FINDINGS / name).write_bytes(mutant.data)
            log.write(json.dumps({**finding, "file": name, "damage": repr(mutant.damage)}) + "\n")


def replay(groups: Mapping[str, list[Subject]], name: str, seed: int, index: int) -> int:
    """One mutant again, in this process: its file is kept, and an error comes with its traceback."""
    from fuzz.checks import read

    subject, mutant = made(groups[name], seed, index)
    FINDINGS.mkdir(exist_ok=True)
    path = FINDINGS / f"replay{subject.suffix}"
    path.write_bytes(mutant.data)
    print(f"{path}: {subject.name}, {mutant.damage}")
    print(read(subject, path, index // len(groups[name])))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600, help="no new file after so long")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--only", default="", help="a group, or several joined by commas")
    parser.add_argument("--index", type=int, default=None, help="this file only, in this process")
    parser.add_argument("--peers", default="", help="a Python in which other libraries are installed")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    options = parser.parse_args()
    wanted = options.only.split(",")
    groups = {name: group for name, group in subjects().items() if not options.only or name in wanted}
    if not groups:
        print(f"error: no group {options.only!r}; there are {', '.join(subjects())}", file=sys.stderr)
        return 2
    if options.peers:
        print(compared(groups, options.peers, options.seed, min(options.n, 200)))
        return 0
    if options.index is not None:
        return replay(groups, next(iter(groups)), options.seed, options.index)
    until = time.monotonic() + options.seconds
    left = list(groups)

    def run_group(name: str, n: int) -> Tally:
        now = time.monotonic()
        share = (until - now) / -(-len(left) // options.jobs)  # of the time that is left
        left.remove(name)
        return tallied(name, options.seed, n, share)

    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run_group, name, n) for name, n in shares(groups, options.n).items()]
        tallies = []
        for run in runs:
            tallies.append(tally := run.result())
            print(f"{tally.group}: {tally.n:,} in {tally.seconds:.0f} s, {dict(tally.outcomes)}", file=sys.stderr)
    print(report.table(report.rows_of(tallies), options.seed))
    keep(groups, tallies)
    for finding in (one for tally in tallies for one in tally.findings[:20]):
        print(f"{finding['group']} {finding['index']}: {finding['kind']}: {finding['why']}")
    if options.write:
        report.write(tallies, options.seed)
    return 1 if any(tally.findings for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
