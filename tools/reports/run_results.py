"""Results of runs for reports: a finished evaluation as it is written, an unfinished one from what its run keeps."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.limits import small_text
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.tools.batch.run_folder.card import read_card
from spikecut.tools.batch.run_folder.folder import CARD, MANIFEST, PARTS
from spikecut.tools.batch.run_folder.manifest import Item, read_manifest
from spikecut.tools.batch.run_folder.parts import read_part, whole_parts
from spikecut.tools.reports.evaluation_file import read_evaluation

if TYPE_CHECKING:
    from spikecut.tools.batch.evaluation import Evaluated
    from spikecut.tools.batch.gathered import Gathered

FULL = "none"  # the rule of the full window
_NUMBERED = re.compile(r"#\d+$")  # of several examples at one place
_READ = ("item_id", "rule", "label", "pred", "t_dec_us")


class Answered(NamedTuple):
    """The answer of one rule to one recording, after so many ms."""

    rule: str
    recording: str
    truth: str
    answer: str
    ms: float


def evaluation_of(run: Path, seed: int) -> dict[str, Any]:
    """The evaluation in a folder; of a run that is not finished that of the recordings done, which it says.

    Raises:
        ModelError: if there is none, or it is damaged.
        ConfigError: if the run keeps no outputs, or nothing is done yet.
    """
    return _evaluated(run, seed)[0].document if is_run(run) else read_evaluation(run)


def answers_of(run: Path, seed: int) -> Iterator[Answered]:
    """The answers in an evaluation, or in a run, finished or not, with those of the full window where it is kept.

    Raises:
        ModelError: if there are none, or they are damaged.
        ConfigError: if nothing is done yet.
    """
    if not is_run(run):
        read_evaluation(run)
        yield from distinct(_from_table(run / "decisions.csv"))
        if (run / "outputs.npz").is_file():
            yield from distinct(_full_window(*load_outputs(run / "outputs.npz")))
    elif read_card(run / CARD)["answers"].get("command") == "replay":
        yield from _from_parts(run)
    else:
        whole, gathered = _evaluated(run, seed)
        about = {"classes": gathered.card.classes, "step_us": gathered.card.spec.step_us, "names": gathered.names}
        yield from distinct(_full_window(gathered.recorded, about))
        header, *rows = whole.tables["decisions.csv"]
        yield from distinct(_answered(dict(zip(header, row, strict=True))) for row in rows)


def distinct(answers: Iterable[Answered]) -> Iterator[Answered]:
    """Answers whose recordings have names of their own: a session may show a gesture twice, then `name (2)`."""
    n_named: Counter[tuple[str, str]] = Counter()
    for one in answers:
        n_named[one.rule, one.recording] += 1
        n = n_named[one.rule, one.recording]
        yield one if n == 1 else one._replace(recording=f"{one.recording} ({n})")


def names_of(items: Sequence[Item]) -> dict[str, str]:
    """The names of a run's recordings as an evaluation of the same data has them, after `distinct`."""
    several = Counter(_NUMBERED.sub("", one.item_id) for one in items)
    names, n_named = {}, Counter[str]()
    for one in items:
        place = _NUMBERED.sub("", one.item_id)
        name = place if several[place] > 1 else one.path if one.path.endswith(one.item_id) else one.item_id
        n_named[name] += 1
        names[one.item_id] = name if n_named[name] == 1 else f"{name} ({n_named[name]})"
    return names


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run and no evaluation: a run of replay, or one of outputs, perhaps unfinished."""
    return not (folder / "evaluation.json").is_file() and (folder / CARD).is_file()


def _evaluated(run: Path, seed: int) -> "tuple[Evaluated, Gathered]":
    """The evaluation of what a run keeps; all cutoffs beside the network are applied."""
    from spikecut.models.files import opening
    from spikecut.tools.batch.evaluation import evaluated
    from spikecut.tools.batch.network_choice import network_for_data
    from spikecut.tools.batch.passes.outputs_run import from_run
    from spikecut.tools.cutoff_lookup import cutoffs_for, shared_policy, with_equal_cost

    weights = network_for_data(None, run)
    rules = with_equal_cost(cutoffs_for((), weights, opening.card_of(weights)))
    gathered = from_run(run, weights, shared_policy(rules.values()))
    stored = read_card(run / CARD)
    return evaluated(gathered, rules, seed, str(stored.get("first_command")), str(stored.get("data"))), gathered


def _from_parts(run: Path) -> Iterator[Answered]:
    """The answers in a run of replay; recordings are named by their paths, as in an evaluation."""
    names = names_of(read_manifest(run / MANIFEST))
    parts = [path for path, whole in whole_parts(run / PARTS, frozenset(names)) if whole is not None]
    if not parts:
        raise ConfigError(f"{run}: nothing is done yet in this run", hint=read_card(run / CARD).get("first_command"))
    for path in parts:
        columns = read_part(path).columns
        for item, rule, label, answer, time_us in zip(*(columns[name] for name in _READ), strict=True):
            yield Answered(rule, names[item], label, answer, time_us / 1000)


def _full_window(recorded: RecordedOutputs, about: Mapping[str, Any]) -> Iterator[Answered]:
    """The answers after the full window; `about` are the classes, the length of a step and the names."""
    names, ms = about["classes"], recorded.horizon * about["step_us"] / 1000
    last = recorded.logits()[:, -1].argmax(axis=1)
    for name, label, answer in zip(about["names"], recorded.labels, last, strict=True):
        yield Answered(FULL, name, names[label], names[answer], ms)


def _from_table(path: Path) -> list[Answered]:
    try:
        return [_answered(row) for row in csv.DictReader(io.StringIO(small_text(path, "table-bytes"), newline=""))]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ModelError(f"{path}: no table of decisions", hint="spikecut evaluate --overwrite") from error


def _answered(row: dict[str, Any]) -> Answered:
    """A row of `decisions.csv`."""
    return Answered(row["rule"], row["recording"], row["truth"], row["answer"], float(row["ms"]))
