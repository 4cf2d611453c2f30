"""The files of an evaluation, as a set: a mixture of two evaluations is noticed by whoever reads it."""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spikecut.pipeline.files.atomic_files import flush, new_file
from spikecut.tools.batch.gathered import Gathered


def write_evaluation(
    target: Path,
    evaluation: dict[str, Any],
    gathered: Gathered,
    tables: Mapping[str, Iterable[Sequence[Any]]],
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Writes `evaluation.json`, and `outputs.npz` and the CSV files beside it; returns the evaluation that it wrote.

    Its key `files` holds the SHA-256 of the others. None takes its name before all are complete on the disk, and
    `evaluation.json` takes its own first: from then on it describes no file of an earlier evaluation, so that readers
    refuse what a kill between two renames leaves, whatever stood there before (`tools/reports/evaluation_file.py`).

    Raises:
        ConfigError: if `evaluation.json` or `outputs.npz` exists and `overwrite` is not set.
        EnvironmentProblem: if a file cannot be written.
    """
    outputs = target.with_name("outputs.npz")
    with ExitStack() as stack:  # renames in the reverse of the order in which the files were begun
        partials = {"outputs.npz": stack.enter_context(new_file(outputs, overwrite=overwrite))}
        gathered.save(partials["outputs.npz"], overwrite=True)
        for name, rows in tables.items():
            partials[name] = stack.enter_context(new_file(target.with_name(name), overwrite=True))
            _write_csv(partials[name], rows)
        digests = {name: hashlib.sha256(partial.read_bytes()).hexdigest() for name, partial in partials.items()}
        evaluation = {**evaluation, "files": digests}
        document = stack.enter_context(new_file(target, overwrite=overwrite))
        document.write_text(json.dumps(evaluation, allow_nan=False, indent=1) + "\n", encoding="utf-8")
        for partial in (document, *partials.values()):
            flush(partial)
    return evaluation


def _write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow([f"{one:.6g}" if isinstance(one, float) else one for one in row])
