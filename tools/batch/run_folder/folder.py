"""A run folder that is written: begun or gone on with, filled part by part, and closed when nothing is missing.

`run.json`, `manifest.parquet`, `parts/`, `quarantine.jsonl`, `events.log.jsonl`, `lock`, and at last `_SUCCESS`
(docs/replay.md). Workers write parts; everything else is written by the one process that holds the lock.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, ModelError
from spikecut.pipeline.files.atomic_files import problems_of, write_text
from spikecut.tools.batch.run_folder.card import RunCard, read_card
from spikecut.tools.batch.run_folder.journal import append_line, lines_of
from spikecut.tools.batch.run_folder.lock import driver_of
from spikecut.tools.batch.run_folder.manifest import Item, check_same, read_manifest, write_manifest
from spikecut.tools.batch.run_folder.parquet import pyarrow
from spikecut.tools.batch.run_folder.parts import parts_in, read_part, whole_parts

CARD, MANIFEST, PARTS, SUCCESS = "run.json", "manifest.parquet", "parts", "_SUCCESS"
QUARANTINE, LOG = "quarantine.jsonl", "events.log.jsonl"


@dataclass(frozen=True, slots=True)
class Fault:
    """A recording that is left out: what happened, at which attempt, in which process."""

    item_id: str
    error_class: str
    message: str
    attempts: int = 1
    worker: str = ""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run folder that this process writes. `key` names the run, `items` are its recordings.

    A `finished` one is only read: nothing has to be written, and what cannot be, such as the log, is left out.
    """

    path: Path
    key: str
    items: tuple[Item, ...]
    finished: bool = False

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.path / PARTS

    def done(self) -> frozenset[str]:
        """The recordings that readable parts hold; parts that have to be done again are removed."""
        done: set[str] = set()
        for path, table in whole_parts(self.parts, frozenset(item.item_id for item in self.items)):
            if table is None:
                with contextlib.suppress(*[OSError] * self.finished):
                    path.unlink(missing_ok=True)
                    self.note("part removed", part=path.name)
            else:
                done.update(table.columns["item_id"])
        return frozenset(done)

    def quarantined(self) -> dict[str, Fault]:
        """The recordings that are left out; of several lines about one the last counts."""
        return faults_in(self.path)

    def quarantine(self, fault: Fault) -> None:
        """Leaves a recording out, with the reason."""
        append_line(self.path / QUARANTINE, asdict(fault))

    def note(self, event: str, **about: Any) -> None:
        """Adds a line to the log, with the time: the one file in which times of the machine stand."""
        with contextlib.suppress(*[EnvironmentProblem] * self.finished):
            append_line(self.path / LOG, {"time": _now(), "event": event, **about})

    def describe(self, **about: Any) -> None:
        """Adds to the run card what is known at the end."""
        before = read_card(self.path / CARD)
        if (document := {**before, **about}) == before:
            return
        write_text(self.path / CARD, json.dumps(document, indent=1, ensure_ascii=False) + "\n", overwrite=True)

    def reopen(self) -> None:
        """Makes the run an unfinished one: recordings are missing, whatever it was before."""
        (self.path / SUCCESS).unlink(missing_ok=True)

    def digests(self, items: Collection[str]) -> dict[str, str]:
        """The digests of the sources that the answers to some recordings come from; none for those without one."""
        known: dict[str, str] = {}
        for path, whole in whole_parts(self.parts, frozenset(item.item_id for item in self.items)):
            if whole and not set(items).isdisjoint(whole.columns["item_id"]):
                table = read_part(path, {"item_id": "text", "sha256": "text"}).columns
                known.update(zip(table["item_id"], table["sha256"], strict=True))
        return {item: known[item] for item in items if item in known}

    def complete(self) -> None:
        """Writes `_SUCCESS` if every recording is in exactly one part or in quarantine.

        Raises:
            EnvironmentProblem: if one is missing, because a part was removed or damaged meanwhile.
        """
        done, left_out = self.done(), set(self.quarantined())
        missing = [item.item_id for item in self.items if item.item_id not in done and item.item_id not in left_out]
        if missing:
            raise EnvironmentProblem(
                f"{self.path}: {len(missing)} recordings are in no part, {missing[0]} among them",
                hint="parts were removed or damaged while the run went on; the same command makes them again",
            )
        document = {
            "n_items": len(self.items),
            "n_done": len(done),
            "n_quarantined": len(left_out - done),
            "parts": {path.name: _digest(path) for path in parts_in(self.parts)},
        }
        if not self.finished:
            write_text(self.path / SUCCESS, json.dumps(document, indent=1) + "\n", overwrite=True)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a run folder is opened.

    With `retry_quarantined` what was left out is tried again. With `anew` a run that was asked for something else, or
    is of other data, makes room for this one. With `among_others` the folder may hold other files.
    """

    retry_quarantined: bool = False
    anew: bool = False
    among_others: bool = False


@contextmanager
def open_run(path: Path, card: RunCard, items: Sequence[Item], how: Opening = Opening()) -> Iterator[RunFolder]:
    """Begins a run, or goes on with the one that a folder holds; it is locked while the block runs.

    A finished run is given where nothing can be written, too: on a disk that is full or read-only.

    Raises:
        ConfigError: if the folder holds something else, or a run with another configuration or of other data.
        InUse: if another process is writing it.
        EnvironmentProblem: if it cannot be written, or pyarrow is missing.
    """
    pyarrow()
    if path.exists() and not (path / CARD).is_file() and not how.among_others and _is_foreign(path):
        raise ConfigError(f"{path} holds something else than a run", hint="give a folder that is new or empty")
    finished = not how.retry_quarantined and _is_finished(path)
    with problems_of(path):
        (path / PARTS).mkdir(parents=True, exist_ok=True)
    with _driving(path, finished) as before:
        run = RunFolder(path, card.key(items), tuple(items), finished)
        if (path / CARD).is_file():
            try:
                _go_on(run, card, how.retry_quarantined)
            except (ConfigError, ModelError):
                if not how.anew:
                    raise
                remove_run(path)
                run = dataclasses.replace(run, finished=False)
        if not (path / CARD).is_file():
            remove_run(path)  # what a kill has left of a removal
            with problems_of(path):
                run.parts.mkdir(exist_ok=True)
            write_manifest(path / MANIFEST, items)
            card.save(path / CARD, run.key)
        for partial in run.parts.glob(".*.tmp"):
            with contextlib.suppress(*[OSError] * run.finished):
                partial.unlink(missing_ok=True)
        run.note("driver", pid=os.getpid(), host=socket.gethostname(), **({"took_over": before} if before else {}))
        yield run


@contextmanager
def _driving(path: Path, finished: bool) -> Iterator[Mapping[str, Any]]:
    """Holds the lock; goes on without where none can be written and the run is finished."""
    with contextlib.ExitStack() as stack:
        before: Mapping[str, Any] = {}
        with contextlib.suppress(*[EnvironmentProblem] * finished):
            before = stack.enter_context(driver_of(path))
        yield before


def _is_finished(path: Path) -> bool:
    """Whether a run was finished, and nothing of it was lost since."""
    if not (path / SUCCESS).is_file():
        return False
    try:
        return unfinished(path) is None
    except (ModelError, OSError):
        return False


def remove_run(path: Path, but: Collection[str] = ()) -> None:
    """Removes the files of a run, its card first, `but` those, and leaves what else the folder holds and the lock."""
    for name in (CARD, SUCCESS, MANIFEST, QUARANTINE, LOG):
        if name not in but:
            (path / name).unlink(missing_ok=True)
    for part in (path / PARTS).glob("*part-*"):
        part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something else lies there
        (path / PARTS).rmdir()


def faults_in(path: Path) -> dict[str, Fault]:
    """The recordings that a run has left out."""
    faults = {}
    for line in lines_of(path / QUARANTINE):
        if isinstance(item_id := line.get("item_id"), str):
            texts = (str(line.get(name, "")) for name in ("error_class", "message", "worker"))
            error_class, message, worker = texts
            attempts = line.get("attempts")
            faults[item_id] = Fault(item_id, error_class, message, attempts if isinstance(attempts, int) else 1, worker)
    return faults


def _go_on(run: RunFolder, card: RunCard, retry_quarantined: bool) -> None:
    """Checks that a folder's run is the one that is wanted, and empties its quarantine if that is to be tried again."""
    card.check_same(read_card(run.path / CARD), run.path)
    mended = run.quarantined().keys() if retry_quarantined else ()
    before = read_manifest(run.path / MANIFEST)
    if anew := check_same(before, run.items, run.path, mended):
        run.note("files written anew", items=anew)
    if mended:
        run.note("quarantine tried again", items=sorted(mended))
        run.reopen()
        then = {item.item_id: item for item in before}
        write_manifest(run.path / MANIFEST, [one if one.item_id in mended else then[one.item_id] for one in run.items])
        (run.path / QUARANTINE).unlink()


def _is_foreign(path: Path) -> bool:
    """Whether a folder without a run card holds anything but what a run that was killed at once has left."""
    if not path.is_dir():
        return True
    return any(one.name not in (PARTS, MANIFEST, "lock") and not one.name.startswith(".") for one in path.iterdir())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def counts_of(path: Path) -> Mapping[str, int]:
    """How many recordings a run has, has done and has left out, from its files: `_SUCCESS` may be older than they."""
    items = read_manifest(path / MANIFEST)
    known = frozenset(item.item_id for item in items)
    done = {one for _, table in whole_parts(path / PARTS, known) if table for one in table.columns["item_id"]}
    return {"n_items": len(items), "n_done": len(done), "n_quarantined": len(set(faults_in(path)) - done)}


def unfinished(path: Path) -> tuple[int, int] | None:
    """How many recordings of a run are done or left out, of how many; None if that is all of them."""
    counts = counts_of(path)
    n_done = counts["n_done"] + counts["n_quarantined"]
    return None if n_done == counts["n_items"] else (n_done, counts["n_items"])
