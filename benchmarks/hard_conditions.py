"""How many drawn gestures a network names under hard conditions: after its full window, and with its default cutoff.

    python -m benchmarks.hard_conditions --model gestures [--json] [--n N] [--version 1|2] [--jobs N] [--keep FILE]

The first N users of the test part perform the gestures, a session each; under every condition the same people, gestures
and camera (docs/adr/0033-hard-conditions.md). A row a condition, with n gestures and Wilson's interval; gestures of
one person are not independent. Each gesture is shown from its labelled onset. What gets no answer is not right. With
--keep an interrupted run goes on; --write-card adds the table to the network's card.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts.report import machine
from benchmarks.parts.under_conditions import Answers, Job, Seen, all_answered, names_of
from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.files.atomic_files import write_text
from spikecut.pipeline.metrics.intervals import bootstrap_mean, wilson
from spikecut.sources.simulation.conditions import Condition
from spikecut.sources.simulation.drawn_people import VERSIONS
from spikecut.sources.simulation.gestures import drawn_users
from spikecut.tools.batch.passes.progress import Progress, shown
from spikecut.tools.cutoff_lookup import find_cutoff

N_USERS = 30  # 360 gestures a row: 95 % right has an interval of 92.2 to 96.8 %
_DAVIS, _VGA = SensorSize(240, 180), SensorSize(640, 480)


def _one(name: str, **changes: Any) -> Seen:
    return Seen(Condition(**changes), ((name, ""),))


CONDITIONS = (
    _one("as drawn"),
    _one("shot noise x5", noise=5.0),
    _one("shot noise x15", noise=15.0),
    _one("dim light", light=0.1),
    _one("scale 0.6", scale=0.6),
    _one("scale 0.8", scale=0.8),
    _one("scale 1.25", scale=1.25),
    _one("scale 1.4", scale=1.4),
    _one("tempo 0.5", tempo=0.5),
    _one("tempo 0.75", tempo=0.75),
    _one("tempo 1.5", tempo=1.5),
    _one("tempo 2", tempo=2.0),
    _one("off-centre", aside_px=24.0),
    _one("two people, one stands", company="beside"),
    _one("two people, one passes", company="passing"),
    _one("camera shake", shake_px=3.0),
    Seen(Condition(sensor=_DAVIS), (("240x180 squeezed", "squeeze"), ("240x180 cropped", "crop"))),
    Seen(Condition(sensor=_VGA), (("640x480 squeezed", "squeeze"), ("640x480 cropped", "crop"))),
)
"""All conditions, fixed in docs/adr/0033-hard-conditions.md before any network was measured: a name a row."""
ROWS = tuple(names_of(CONDITIONS))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hard_conditions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="gestures", help="a network of gestures (default: gestures)")
    parser.add_argument("--cutoff", metavar="RULE", help="instead of the network's default")
    parser.add_argument("--n", type=int, default=N_USERS, help=f"users, 12 gestures each (default: {N_USERS})")
    parser.add_argument("--version", type=int, choices=VERSIONS, default=1, help="of the drawing (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="conditions with such a name")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="a file of answers, which the same command goes on with"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a condition")
    parser.add_argument(
        "--write-card", action="store_true", help="keep the table in the network's card (all conditions)"
    )
    chosen = parser.parse_args(argv)
    weights = opening.locate(chosen.model)
    card = opening.card_of(weights)
    wanted = [one for one in CONDITIONS if any(word in name for word in chosen.only for name in names_of([one]))]
    if not wanted or (chosen.write_card and len(wanted) < len(CONDITIONS)):
        parser.error(
            "--only leaves no condition" if not wanted else "--write-card takes all conditions, without --only"
        )
    users = drawn_users(435, "test")[: chosen.n]
    jobs = [Job(weights, chosen.cutoff, user, chosen.seed, chosen.version, one) for user in users for one in wanted]
    command = f"python -m benchmarks.hard_conditions --model {card.name} --n {len(users)} --version {chosen.version}"
    about = {
        "network": card.weights_sha256,
        "cutoff": chosen.cutoff or card.default_cutoff,
        "fitted_on": find_cutoff(chosen.cutoff, weights, card).data,
        "seed": chosen.seed,
        "version": chosen.version,
    }
    kept = kept_answers(chosen.keep, about)
    measured = [one for one in all_of(jobs, chosen.jobs, chosen.keep, kept) if one.user in users]
    table = [row_of(name, measured, card) for name in names_of(wanted)]
    if chosen.json:
        for row in table:
            print(json.dumps({**about, **row}))
    else:
        print(
            f"{card.name}, cutoff {about['cutoff']}; drawing version {chosen.version}, seed {chosen.seed}; {machine()}"
        )
        say(table)
    if chosen.write_card:
        write_card(weights, table, command, about)


def kept_answers(file: Path | None, about: dict[str, Any]) -> list[Answers]:
    """The answers that an earlier run has kept; the first line of the file says what they are of.

    Raises:
        ConfigError: if they are of another network, cutoff, seed or version.
    """
    if file is None:
        return []
    if not file.exists():
        file.write_text(json.dumps(about) + "\n")
        return []
    first, *lines = file.read_text().splitlines()
    if json.loads(first) != about:
        raise ConfigError(f"{file}: kept answers of {first}", hint="give another file to --keep")
    whole = [json.loads(line) for line in lines if line.endswith("}")]  # a last line may be cut off
    columns = ("labels", "full", "early", "steps", "refused")
    return [Answers(one["row"], one["user"], *(tuple(one[column]) for column in columns)) for one in whole]


def all_of(jobs: Sequence[Job], n_processes: int, keep: Path | None, kept: Sequence[Answers]) -> list[Answers]:
    """The kept answers, and those of the jobs that they lack, which are kept as they come."""
    done, answers = {(one.row, one.user) for one in kept}, list(kept)
    left = [job for job in jobs if not {(name, job.user) for name in names_of([job.seen])} <= done]
    progress = Progress("conditions", len(jobs), n_before=len(jobs) - len(left))
    with shown(progress) as display:
        for made in all_answered(left, n_processes):
            new = [one for one in made if (one.row, one.user) not in done]
            answers += new
            if keep is not None:
                with keep.open("a") as file:
                    file.write("".join(f"{json.dumps(asdict(one))}\n" for one in new))
            progress.n_new += 1
            display.update()
    return answers


def row_of(name: str, answers: Iterable[Answers], card: ModelCard) -> dict[str, Any]:
    """The figures of one condition: shares with n and Wilson's interval, and the mean time with its bootstrap."""
    mine = sorted((one for one in answers if one.row == name), key=lambda one: one.user)
    labels, full, early, steps, refused = (
        np.concatenate([getattr(one, column) for one in mine])
        for column in ("labels", "full", "early", "steps", "refused")
    )
    n = len(labels)
    time_ms = bootstrap_mean(steps * card.spec.step_us / 1000, np.random.default_rng(0))
    shares = {
        "right_full_window": int((full == labels).sum()),
        "right": int(((early == labels) & ~refused).sum()),
        "no_answer": int(refused.sum()),
    }
    row: dict[str, Any] = {"condition": name, "n": n, "users": len(mine)}
    for column, count in shares.items():
        share = wilson(count, n)
        row[column] = {
            "share": round(share.value, 4),
            "interval_95_wilson": [round(share.low, 4), round(share.high, 4)],
        }
    row["mean_ms"] = round(time_ms.value, 1)
    row["interval_95_mean_ms"] = [round(time_ms.low, 1), round(time_ms.high, 1)]
    return row


def say(table: Sequence[dict[str, Any]]) -> None:
    """The table for people, as Markdown."""
    print("| condition | n | full window | with cutoff | mean time | no answer |\n|---|---|---|---|---|---|")
    for row in table:
        cells = [_cell(row[column]) for column in ("right_full_window", "right")]
        low, high = row["interval_95_mean_ms"]
        time = f"{row['mean_ms']:.0f} ms ({low:.0f} to {high:.0f})"
        none = f"{100 * row['no_answer']['share']:.1f} %"
        print(f"| {row['condition']} | {row['n']} | {' | '.join(cells)} | {time} | {none} |")


def _cell(one: dict[str, Any]) -> str:
    low, high = one["interval_95_wilson"]
    return f"{100 * one['share']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def write_card(weights: Path, table: Sequence[dict[str, Any]], command: str, about: dict[str, Any]) -> None:
    """Adds the table to the free `metrics` of the card: `hard_conditions`, by version of the drawing."""
    path = weights.with_suffix(".json")
    card = json.loads(path.read_text())
    tables = card["metrics"].setdefault("hard_conditions", {})
    tables[f"version {about['version']}"] = {"command": command, "machine": machine(), **about, "rows": list(table)}
    write_text(path, json.dumps(card, indent=1) + "\n", overwrite=True)
    print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
