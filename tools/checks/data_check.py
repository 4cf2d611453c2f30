"""`spikecut data check`: which files of a data set are in a folder, which are missing or damaged, where to get it."""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.drop_counts import OnDamage
from spikecut.pipeline.errors import printable
from spikecut.sources.datasets import kind_of
from spikecut.tools.checks.page import Checked, facts_of, lines_of

if TYPE_CHECKING:
    from spikecut.tools.commands.files.data import Data

_RECORDINGS = ("gestures", "class folders")  # whose checks read events
CHECKS = {  # by the rows of DATASETS; the others are checked by `dataset_check`
    "images": "image_check check_pictures",
    "gestures": "gesture_check check_gestures",
    "class folders": "set_check check_set",
}


def check(path: Path, *, read: bool = False, on_damage: OnDamage = "salvage") -> Checked:
    """The check for the kind of a data set; reads every example only if `read` is set.

    With `on_damage="refuse"` a recording that lost an event cannot be used.

    Raises:
        SourceError: if there are no examples at all, or lists of DVS128 Gesture contradict themselves.
    """
    kind = kind_of(path)
    module, name = CHECKS.get(kind, "dataset_check check_dataset").split()
    options = {"on_damage": on_damage} if kind in _RECORDINGS else {}
    checked: Checked = getattr(import_module(f"spikecut.tools.checks.{module}"), name)(path, read=read, **options)
    return checked


def run_data_check(options: "Data") -> int:
    """The command: 0 if the set is complete, 3 if something is missing or damaged, 4 if nothing can be used.

    Raises:
        SourceError: as `check`.
    """
    checked = check(options.folder, read=options.read, on_damage=options.on_damage)
    print(json.dumps(facts_of(checked)) if options.json else "\n".join(map(printable, lines_of(checked))))
    return 0 if not checked.faults else 3 if checked.usable else 4
