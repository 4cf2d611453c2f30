"""Outputs that a run keeps: the card of the run, its rows in order, and a run in the place of a data set."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import spikecut
from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.recorded import Plans, RecordedOutputs
from spikecut.pipeline.rules.reference import StreamStatistics, reference_over
from spikecut.sources.datasets.base import INPUTS
from spikecut.tools.batch.gathered import Gathered
from spikecut.tools.batch.passes.course import check_finite
from spikecut.tools.batch.passes.outputs_work import OutputsWork
from spikecut.tools.batch.run_folder.card import RunCard, read_card
from spikecut.tools.batch.run_folder.folder import CARD, MANIFEST, PARTS, faults_in
from spikecut.tools.batch.run_folder.manifest import read_manifest
from spikecut.tools.batch.run_folder.parquet import Columns
from spikecut.tools.batch.run_folder.parts import OUTPUTS, read_part, whole_parts
from spikecut.tools.time_unit import pace_of

Row = Mapping[str, Any]


def outputs_card(work: OutputsWork, card: ModelCard, command: str) -> RunCard:
    """The card of a run that records outputs."""
    answers = {
        "command": "outputs",
        "spikecut": spikecut.__version__,
        "network": card.weights_sha256,
        "engine": work.engine,
        "part": work.part,
        "reading": work.reading.given or "as the files say",
        "policy": work.policy.policy if work.policy else None,
    }
    about = {
        "first_command": command,
        "model": card.name,
        "weights": str(work.weights),
        "data": str(work.folder),
        "classes": list(card.classes),
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
    }
    return RunCard(answers, about)


def rows_of(tables: Iterable[Columns], order: Sequence[str]) -> list[Row]:
    """The rows of all tables in the order of the data set; columns that a table lacks are left out."""
    rows: dict[str, Row] = {}
    for table in tables:
        for values in zip(*table.values(), strict=True):
            row = dict(zip(table, values, strict=True))
            rows[row["item_id"]] = row
    return [rows[item] for item in order if item in rows]


def gathered_from(
    rows: Sequence[Row], card: ModelCard, weights: Path, policy: PolicyPlanner | None, about: str
) -> Gathered:
    """The outputs of some recordings; what is known about them all is left empty."""
    number = {name: label for label, name in enumerate(card.classes)}
    outputs = np.stack([np.asarray(row["outputs"], np.float32) for row in rows]).reshape(len(rows), card.horizon, -1)
    labels = np.array([number[row["label"]] for row in rows], np.int64)
    plans = None
    if policy is not None:
        plans = Plans(np.stack([np.asarray(row["plans"], np.float32) for row in rows]), policy.policy, policy.cost)
    streams = _streams(rows, card)
    return Gathered(
        recorded=RecordedOutputs(outputs, labels, tuple(row["subject"] for row in rows), plans=plans),
        card=card,
        weights=weights,
        names=tuple(row["place"] for row in rows),
        data="",
        part="",
        statistics=reference_over(streams, f"{len(rows)} {pace_of(card.spec).things} {about}"),
        streams=streams if all(len(one.counts) and one.us for one in streams) else (),
    )


def _streams(rows: Sequence[Row], card: ModelCard) -> tuple[StreamStatistics, ...]:
    """The statistics of the frames of events; pictures have none."""
    if INPUTS[card.spec.input_kind].still:
        return ()
    return tuple(
        StreamStatistics(np.asarray(row["events"]), np.asarray(row["active"]), int(row["n_on"]), int(row["us"]))
        for row in rows
    )


def from_run(path: Path, weights: Path, policy: PolicyPlanner | None, card: ModelCard | None = None) -> Gathered:
    """The outputs that a run folder holds; of an unfinished run those that are done. `card` is that of an open network.

    Raises:
        ModelError: if an output of the network was not finite.
        ConfigError: if it is no run that records outputs, is that of another network or policy, or nothing is done.
    """
    stored, card = read_card(path / CARD), card or opening.card_of(weights)
    answers = stored["answers"]
    if answers.get("command") != "outputs":
        raise ConfigError(
            f"{path}: a run of {answers.get('command')}, which keeps no outputs at every step",
            hint="spikecut evaluate DIR --out FOLDER records them; spikecut results RUN --csv FILE shows this run",
        )
    if answers.get("network") != card.weights_sha256:
        raise ConfigError(
            f"{path}: outputs of another network than {card.name!r}", hint=f"--model {stored.get('model')}, perhaps"
        )
    if policy is not None and answers.get("policy") != policy.policy:
        raise ConfigError(f"{path}: outputs that were recorded without policy {policy.policy[:12]}", hint="record anew")
    check_finite(faults_in(path).values())
    items = read_manifest(path / MANIFEST)
    known = frozenset(item.item_id for item in items)
    tables = [read_part(part, OUTPUTS).columns for part, table in whole_parts(path / PARTS, known) if table]
    rows = rows_of(tables, [item.item_id for item in items])
    if not rows:
        raise ConfigError(f"{path}: nothing is done yet in this run", hint=str(stored.get("first_command")))
    n_faults = len(faults_in(path).keys() - {row["item_id"] for row in rows})
    digests = {row["place"]: row["sha256"] for row in rows}  # the examples of a source are at one place
    unfinished = None if len(rows) + n_faults == len(items) else (len(rows) + n_faults, len(items))
    data = None if unfinished else stored.get("data_sha256")
    trained_on = set(card.trained_on + (policy.trained_on if policy else ()))
    overlap = [row["place"] for row in rows if row["sha256"] in trained_on]
    gathered = gathered_from(rows, card, weights, policy, f"of {Path(str(stored.get('data'))).name}")
    return replace(
        gathered,
        data=str(data or hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest()),
        part=str(answers.get("part")),
        n_trained_on=sum(digest in trained_on for digest in digests.values()),
        example=overlap[0] if overlap else "",
        n_damaged=n_faults + sum(1 for row in rows if row["dropped"]),
        unfinished=unfinished,
        simulated=None if stored.get("simulated") is None else stored["simulated"] is True,
    )
