"""`spikecut results RUN --csv FILE`: the rows of run folders as one table of text, a part at a time."""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.batch.run_folder.card import read_card
from spikecut.tools.batch.run_folder.folder import CARD, MANIFEST, PARTS, counts_of, unfinished
from spikecut.tools.batch.run_folder.manifest import read_manifest
from spikecut.tools.batch.run_folder.parts import SHORT, read_part, whole_parts


def write_rows(runs: Sequence[Path], target: Path, *, overwrite: bool) -> int:
    """The command: writes the file and prints its path; says on stderr which runs are unfinished.

    Recordings of a part are sorted; the parts come in the order of their first recordings. With several runs a column
    `run` comes first.

    Raises:
        ConfigError: if a folder is no run, or the file exists and is not to be overwritten.
    """
    for run in runs:
        check_name(run)
        if not (run / CARD).is_file():
            raise ConfigError(f"{run}: no run folder", hint="spikecut replay DIR --out RUN makes one")
        if read_card(run / CARD)["answers"].get("command") != "replay":
            raise ConfigError(f"{run}: no run of replay", hint="the decisions of evaluate are in its decisions.csv")
    with new_file(target, overwrite=overwrite) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        more = ["run"] if len(runs) > 1 else []
        writer.writerow([*more, *SHORT])
        for run in runs:
            for row in _rows(run):
                writer.writerow([*(str(run) for _ in more), *row])
    for run in runs:
        if unfinished(run):
            counts = counts_of(run)
            what = f"{counts['n_done']} of {counts['n_items']} recordings are done, {counts['n_quarantined']} left out"
            print(printable(f"note: {run} is unfinished: {what}"), file=sys.stderr)
    print(target)
    return 0


def _rows(run: Path) -> Iterator[list[Any]]:
    tables = []
    for path, whole in whole_parts(run / PARTS, frozenset(item.item_id for item in read_manifest(run / MANIFEST))):
        if whole is None:
            what = "it is damaged, or its recordings are in another part or another run"
            print(printable(f"note: passed over: {path}: {what}"), file=sys.stderr)
        else:
            tables.append((whole.columns["item_id"][0], path))
    for _, path in sorted(tables):
        columns = read_part(path).columns
        for row in zip(*(columns[name] for name in SHORT), strict=True):
            yield [f"{one:.6g}" if name == "score" else one for name, one in zip(SHORT, row, strict=True)]
