"""The share of a run that `--shard I/N` names: every N-th batch of the division of the run, so that shares join."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spikecut.pipeline.errors import ConfigError
from spikecut.tools.batch.examples import Examples
from spikecut.tools.batch.passes.batches import divisions, size_for
from spikecut.tools.batch.run_folder.card import Shard


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """The `index`-th of `count` shares of `whole`: its `examples`, and where they stand among all (from, to)."""

    whole: Examples
    index: int
    count: int
    examples: Examples
    ranges: tuple[tuple[int, int], ...]

    @property
    def batch_size(self) -> int:
        """That of the whole run."""
        return size_for(len(self.whole))

    def shard(self, run_key: str) -> Shard:
        """What a run folder keeps of it; the key is that of the whole run."""
        return Shard(self.index, self.count, len(self.whole), run_key, self.ranges)


def share_of(whole: Examples, text: str) -> Share:
    """The share of a data set that a text such as `2/4` names.

    Raises:
        ConfigError: if it names none, or there are more shares than batches.
    """
    match = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise ConfigError(
            f"--shard {text}: expected I/N with I from 1 to N", hint="--shard 1/4, --shard 2/4 … make a run in four"
        )
    index, count = int(match[1]), int(match[2])
    divided = divisions(whole.members, size_for(len(whole)))
    if count > len(divided):
        n_batches = f"{len(divided)} batch" + ("es" if len(divided) > 1 else "")
        raise ConfigError(f"--shard {text}: these {len(whole)} recordings are {n_batches}", hint="fewer shards")
    ranges = divided[index - 1 :: count]
    kept = [at for start, stop in ranges for at in range(start, stop)]
    return Share(whole, index, count, _some(whole, kept), tuple(ranges))


def _some(whole: Examples, kept: Sequence[int]) -> Examples:
    members = [whole.members[at] for at in kept]
    return Examples(members, whole.labels[list(kept)], whole.notes, whole.reading, simulated=whole.simulated)
