"""`spikecut join`: the run folders of all shards of a run become the folder that one run would have made.

Shards are whole batches of the run's division, so the parts are those of an unsharded run, byte for byte. Where a shard
is not finished the joined run is not either, and the unsharded command goes on with it.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.atomic_files import new_folder
from spikecut.tools.batch.run_folder.card import RunCard, Shard, read_card, shard_of
from spikecut.tools.batch.run_folder.folder import CARD, LOG, MANIFEST, PARTS, QUARANTINE, RunFolder
from spikecut.tools.batch.run_folder.lock import driver_of
from spikecut.tools.batch.run_folder.manifest import Item, read_manifest, write_manifest
from spikecut.tools.batch.run_folder.parts import parts_in

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.join import Join

_OWN = ("kind", "version", "run_key", "shard", "answers")  # of a card; everything else is about the run


@dataclass(frozen=True, slots=True)
class _Folder:
    """A run folder that is joined."""

    path: Path
    stored: dict[str, Any]
    shard: Shard
    items: tuple[Item, ...]


def run_join(options: "Join") -> int:
    """The command: prints the path of the joined folder, and on stderr what it holds.

    Raises:
        ConfigError: if the folders are not all shards of one run, each once, or the target exists.
        ModelError: if a folder is no run, or damaged.
        InUse: if a process is writing one of them.
    """
    folders = sorted((_read(path) for path in options.runs), key=lambda one: one.shard.index)
    _check_complete(folders)
    card, items = _whole(folders)
    with new_folder(options.out) as partial:
        run = RunFolder(partial, card.key(items), tuple(items))
        run.parts.mkdir()
        for folder in folders:
            with driver_of(folder.path):  # nobody writes into it meanwhile
                _add(folder.path, run)
        write_manifest(partial / MANIFEST, items)
        card.save(partial / CARD, run.key)
        run.note("joined", folders=[str(folder.path) for folder in folders])
        done, left_out = len(run.done()), len(run.quarantined())
        missing = len(items) - done - len(run.quarantined().keys() - run.done())
        if not missing:
            run.complete()
    print(options.out)
    print(f"{len(items)} recordings: {done} done, {left_out} left out, {missing} to do", file=sys.stderr)
    if missing:
        command = str(folders[0].stored.get("first_command", "spikecut replay"))
        print(
            f"the command of a shard, without --shard and with --out {options.out}, goes on: {command}", file=sys.stderr
        )
    return 3 if missing or left_out else 0


def _read(path: Path) -> _Folder:
    stored = read_card(path / CARD)
    shard = shard_of(stored, path)
    if shard is None:
        raise ConfigError(f"{path}: a whole run, not a shard of one", hint="spikecut replay --shard I/N makes shards")
    items = tuple(read_manifest(path / MANIFEST))
    if len(items) != sum(stop - start for start, stop in shard.ranges):
        raise ModelError(f"{path}: its manifest has not the recordings of shard {shard.name}", hint="replay it anew")
    return _Folder(path, stored, shard, items)


def _check_complete(folders: Sequence[_Folder]) -> None:
    """Refuses what are not all shards of one run, each once."""
    first = folders[0]
    for folder in folders[1:]:
        if (folder.shard.run_key, folder.shard.count) == (first.shard.run_key, first.shard.count):
            continue
        theirs, ours = folder.stored["answers"], first.stored["answers"]
        changed = sorted(name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))
        what = f"another {', '.join(changed)}" if changed else "other data, or another number of shards"
        raise ConfigError(f"{folder.path} and {first.path} are shards of different runs: {what}")
    indices = [folder.shard.index for folder in folders]
    for index in range(1, first.shard.count + 1):
        if (n := indices.count(index)) != 1:
            what = "is missing" if n == 0 else f"is given {n} times"
            hint = f"spikecut replay … --shard {index}/{first.shard.count} makes it" if n == 0 else "give each once"
            raise ConfigError(f"shard {index}/{first.shard.count} {what}", hint=hint)


def _whole(folders: Sequence[_Folder]) -> tuple[RunCard, list[Item]]:
    """The card of the whole run, and its recordings in the order of the data set.

    Raises:
        ModelError: if the recordings are not those that the key of the run is made of.
    """
    first = folders[0]
    places: dict[int, Item] = {}
    for folder in folders:
        at = (place for start, stop in folder.shard.ranges for place in range(start, stop))
        places.update(zip(at, folder.items, strict=True))
    items = [places[place] for place in sorted(places)]
    about = {name: value for name, value in first.stored.items() if name not in _OWN}
    card = RunCard(first.stored["answers"], about)
    if card.key(items) != first.shard.run_key:
        raise ModelError(f"{first.path}: the shards do not make the run that their cards name", hint="replay them anew")
    return card, items


def _add(folder: Path, run: RunFolder) -> None:
    """Copies the parts of a shard, and adds the lines of its quarantine and its log."""
    for part in parts_in(folder / PARTS):
        shutil.copyfile(part, run.parts / part.name)
    for name in (QUARANTINE, LOG):
        if (folder / name).is_file():
            with (run.path / name).open("ab") as target:
                target.write((folder / name).read_bytes())
