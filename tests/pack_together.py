"""Training data of two processes that `torchrun` starts: FOLDER OUT. Each notes in OUT what it packed."""

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikecut.models.training.distributed import together
from spikecut.tools.training import packing
from spikecut.tools.training.recipe import Recipe, read_recipe
from spikecut.tools.training.training_data import material_for


def main(data: Path, out: Path) -> None:
    plain = read_recipe("nmnist")
    plain = replace(plain, training=replace(plain.training, batch_size=8))
    recipes = {"plain": plain, "transformed": replace(plain, transforms=({"name": "DropEvent", "p": 0.5},))}
    with together():
        for name, recipe in recipes.items():
            note = out / f"{name}-{os.environ['RANK']}"
            frames, labels = _noting(note, data, recipe)
            note.with_suffix(".sha").write_text(hashlib.sha256(frames.tobytes() + labels.tobytes()).hexdigest())


def _noting(note: Path, data: Path, recipe: Recipe) -> tuple[Any, Any]:
    """The frames and labels that train; every part that this process packs becomes a line of the note."""
    packed = packing.reading

    def noted(items: Any, what: str, n: int | None = None) -> Iterator[Any]:
        with note.open("a") as file:
            file.write(f"{what}\n")
        return packed(items, what, n)

    packing.reading = noted
    note.touch()
    try:
        return material_for(recipe, data, note.parent)[1].fit
    finally:
        packing.reading = packed


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
