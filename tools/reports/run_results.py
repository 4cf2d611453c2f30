"""Results of runs for reports: a finished evaluation as it is written, an unfinished one from what its run keeps."""

import csv
import io
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.files.limits import small_text
from spikecut.tools.batch.run_folder.card import read_card
from spikecut.tools.batch.run_folder.folder import CARD, MANIFEST, PARTS
from spikecut.tools.batch.run_folder.manifest import read_manifest
from spikecut.tools.batch.run_folder.parts import read_part, whole_parts
from spikecut.tools.reports.evaluation_file import read_evaluation

Decisions = dict[str, dict[str, tuple[float, float]]]  # by rule and recording: 1.0 if right, and after how many ms
_READ = ("item_id", "rule", "label", "pred", "t_dec_us")


def evaluation_of(run: Path, seed: int) -> dict[str, Any]:
    """The evaluation in a folder; of a run that is not finished that of the recordings done, which it says.

    Raises:
        ModelError: if there is none, or it is damaged.
        ConfigError: if the run keeps no outputs, or nothing is done yet.
    """
    return _evaluated(run, seed)[0] if _is_unfinished(run) else read_evaluation(run)


def decisions_of(run: Path, seed: int) -> Decisions:
    """The decisions of an evaluation or of a run of replay, finished or not.

    Raises:
        ModelError: if there are none, or they are damaged.
        ConfigError: if nothing is done yet.
    """
    if not _is_unfinished(run):
        read_evaluation(run)
        return _from_table(run / "decisions.csv")
    if read_card(run / CARD)["answers"].get("command") == "replay":
        return _from_parts(run)
    header, *rows = _evaluated(run, seed)[1]
    decisions: Decisions = {}
    for row in rows:
        _add(decisions, dict(zip(header, row, strict=True)))
    return decisions


def _is_unfinished(run: Path) -> bool:
    return not (run / "evaluation.json").is_file() and (run / CARD).is_file()


def _evaluated(run: Path, seed: int) -> tuple[dict[str, Any], list[Any]]:
    """The evaluation of what a run keeps, and its table of decisions; all cutoffs beside the network are applied."""
    from spikecut.models.files import opening
    from spikecut.tools.batch.evaluation import evaluated
    from spikecut.tools.batch.network_choice import network_for_data
    from spikecut.tools.batch.passes.outputs_run import from_run
    from spikecut.tools.cutoff_lookup import cutoffs_for, shared_policy, with_equal_cost

    weights = network_for_data(None, run)
    rules = with_equal_cost(cutoffs_for((), weights, opening.card_of(weights)))
    gathered = from_run(run, weights, shared_policy(rules.values()))
    stored = read_card(run / CARD)
    whole = evaluated(gathered, rules, seed, str(stored.get("first_command")), str(stored.get("data")))
    return whole.document, list(whole.tables["decisions.csv"])


def _from_parts(run: Path) -> Decisions:
    """The decisions of a run of replay; recordings are named by their paths, as in an evaluation."""
    items = read_manifest(run / MANIFEST)
    names = {one.item_id: one.path if one.path.endswith(one.item_id) else one.item_id for one in items}
    decisions: Decisions = {}
    for path, whole in whole_parts(run / PARTS, frozenset(names)):
        if whole is None:
            continue
        columns = read_part(path).columns
        for item, rule, label, answer, time_us in zip(*(columns[name] for name in _READ), strict=True):
            decisions.setdefault(rule, {})[names[item]] = (float(label == answer), time_us / 1000)
    return decisions


def _from_table(path: Path) -> Decisions:
    decisions: Decisions = {}
    try:
        for row in csv.DictReader(io.StringIO(small_text(path, "table-bytes"), newline="")):
            _add(decisions, row)
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ModelError(f"{path}: no table of decisions", hint="spikecut evaluate --overwrite") from error
    return decisions


def _add(decisions: Decisions, row: dict[str, Any]) -> None:
    """Adds a row of `decisions.csv`."""
    decisions.setdefault(row["rule"], {})[row["recording"]] = (float(row["truth"] == row["answer"]), float(row["ms"]))
