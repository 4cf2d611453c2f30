"""`spikecut why RUN`: the recordings of a run to which early answers were wrong, and what the full window said."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spikecut.pipeline.errors import ConfigError, printable
from spikecut.tools.batch.run_folder.folder import unfinished
from spikecut.tools.reports.run_results import FULL, Answered, answers_of, is_run

_MOST = 10


def print_wrong(run: Path, wanted: Iterable[str], *, as_json: bool) -> int:
    """Prints of each rule (or of the `wanted`) the wrong answers, those first that the full window has right.

    A table shows 10 of each rule, JSON all. Of an unfinished run stderr says how far it is.

    Raises:
        ConfigError: if nothing is done yet, or the run has none of the wanted rules.
    """
    answers = list(answers_of(run, 0))
    full = {one.recording: one.answer for one in answers if one.rule == FULL}
    rules = list(dict.fromkeys(one.rule for one in answers if one.rule != FULL or len(full) == len(answers)))
    if unknown := set(wanted) - set(rules):
        raise ConfigError(f"{run}: no answers of {min(unknown)}", hint=f"it has those of {', '.join(rules)}")
    rules = [rule for rule in rules if rule in wanted] or rules
    n_answers = Counter(one.rule for one in answers)
    wrong = {rule: _wrong((one for one in answers if one.rule == rule), full) for rule in rules}
    if is_run(run) and (how_far := unfinished(run)):
        n_done, n_items = how_far
        print(f"warning: an unfinished run: {n_done} of its {n_items} recordings are done", file=sys.stderr)
    if as_json:
        print(json.dumps({"run": str(run), "wrong": wrong}))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 120)
    for rule, rows in wrong.items():
        if not rows:
            console.print(f"{rule}: none wrong of {n_answers[rule]}")
            continue
        lost = sum(row["lost"] for row in rows)
        title = f"{rule}: {len(rows)} wrong" + (f", {lost} of them right after the full window" if full else "")
        table = Table(title=title, box=None, padding=(0, 2), header_style="bold", title_justify="left")
        for column in ("recording", "truth", "answer", "after", "full window"):
            table.add_column(column, justify="right" if column == "after" else "left")
        for row in rows[:_MOST]:
            texts = (printable(str(row[name])) for name in ("recording", "truth", "answer"))
            table.add_row(*texts, f"{row['ms']:g} ms", printable(str(row["full_window"] or "")))
        console.print(table)
        if len(rows) > _MOST:
            console.print(f"  and {len(rows) - _MOST} more: --json has all", style="dim")
    if any(wrong.values()):
        console.print("spikecut why RECORDING shows the evidence in one of them.", style="dim")
    return 0


def _wrong(answers: Iterable[Answered], full: dict[str, str]) -> list[dict[str, Any]]:
    rows = [
        {
            "recording": one.recording,
            "truth": one.truth,
            "answer": one.answer,
            "ms": one.ms,
            "full_window": full.get(one.recording),
            "lost": full.get(one.recording) == one.truth,
        }
        for one in answers
        if one.answer != one.truth
    ]
    return sorted(rows, key=lambda row: (not row["lost"], row["recording"]))
