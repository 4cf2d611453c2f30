"""The run card, `run.json`: what a run was asked for, and with what. What changes an answer makes its key."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.atomic_files import write_text
from spikecut.pipeline.files.strict import read_json, typed
from spikecut.tools.batch.run_folder.manifest import Item

_KIND, _VERSION = "spikecut run", 1
_MOST_BYTES = 64 * 2**20
_MADE = {"replay": "a run of replay --out", "outputs": "a run of outputs (evaluate --out, calibrate --keep)"}


@dataclass(frozen=True, slots=True)
class Shard:
    """Which share of a run a folder holds: the `index`-th of `count`, whole batches of the run.

    `ranges` are their places (from, to) among all `n_items` recordings of the data set.
    """

    index: int
    count: int
    n_items: int
    run_key: str
    ranges: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """As the command line has it: `2/4`."""
        return f"{self.index}/{self.count}"


@dataclass(frozen=True, slots=True)
class RunCard:
    """What a run was asked for.

    `answers` is all that changes an answer, values of JSON by their names; a run folder goes on only with the same.
    `about` is what people and programs want to know beside it, such as the names of the classes. A `shard` has the key
    of the whole run.
    """

    answers: Mapping[str, Any]
    about: Mapping[str, Any]
    shard: Shard | None = None

    def key(self, items: Sequence[Item]) -> str:
        """The SHA-256 of all that changes an answer, and of the names and labels of the recordings."""
        if self.shard is not None:
            return self.shard.run_key
        what = [self.answers, [[item.item_id, item.label] for item in items]]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path, key: str) -> None:
        """Writes `run.json`."""
        shard = {"shard": asdict(self.shard)} if self.shard else {}
        known = {"kind": _KIND, "version": _VERSION, "run_key": key}
        document = {**known, **shard, **self.about, "answers": dict(self.answers)}
        write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def check_same(self, stored: Mapping[str, Any], run: Path) -> None:
        """Refuses to go on in a folder of a run that was asked for something else.

        Raises:
            ConfigError: naming what changed, there and now.
        """
        before, now = stored["answers"], json.loads(json.dumps(dict(self.answers)))
        if before.get("command") != now.get("command"):
            raise ConfigError(
                f"{run}: {_MADE.get(str(before.get('command')), 'another run')}; expected a new folder, or "
                f"{_MADE.get(str(now.get('command')), 'one of the same command')}",
                hint="give another folder: runs of different commands do not share one",
            )
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if changed:
            texts = (_difference(name, before.get(name), now.get(name)) for name in changed)
            raise ConfigError(
                f"{run}: this run was begun with another configuration: {'; '.join(texts)}",
                hint="give another run folder, or the flags that the run was begun with",
            )
        theirs, ours = shard_of(stored, run), self.shard
        if theirs and ours and theirs.name == ours.name and theirs != ours:
            raise ConfigError(
                f"{run}: the data has changed since this shard began", hint="another folder replays it as it is now"
            )
        if (theirs and theirs.name) != (ours and ours.name):
            there, here = (f"shard {one.name}" if one else "the whole" for one in (theirs, ours))
            raise ConfigError(f"{run}: {there} of a run, not {here}", hint="every shard has a folder of its own")


def read_card(path: Path) -> dict[str, Any]:
    """`run.json` as it is written.

    Raises:
        ModelError: if it cannot be read, or is something else.
    """
    try:
        raw = read_json(path, _MOST_BYTES)
    except (OSError, ConfigError) as error:
        raise ModelError(f"{path}: no run card: {error}", hint="spikecut replay --out makes a run folder") from error
    if raw.get("kind") != _KIND or raw.get("version") != _VERSION or not isinstance(raw.get("answers"), dict):
        raise ModelError(f"{path}: no run card of version {_VERSION}", hint="spikecut replay --out makes a run folder")
    return raw


def shard_of(stored: Mapping[str, Any], run: Path) -> Shard | None:
    """The share that a stored card names; None for a whole run.

    Raises:
        ModelError: if it is no share.
    """
    raw = stored.get("shard")
    if raw is None:
        return None
    try:
        return typed(Shard, raw)
    except ConfigError as error:
        raise ModelError(f"{run / 'run.json'}: shard: {error}") from error


def _difference(name: str, before: Any, now: Any) -> str:
    """What differs between two values of a name; of tables the names that are there alone, or mean something else."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{name}: {_shown(before)} there, {_shown(now)} now"
    texts = [f"{one} there only" for one in before.keys() - now.keys()]
    texts += [f"{one} now only" for one in now.keys() - before.keys()]
    texts += [f"{one} is another" for one in before.keys() & now.keys() if before[one] != now[one]]
    return f"{name}: {', '.join(sorted(texts))}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
