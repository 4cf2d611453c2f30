"""`spikecut data check`: which files of a data set are in a folder, which are missing or damaged, where to get it."""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import printable
from spikecut.sources.datasets import kind_of
from spikecut.tools.checks.page import Checked, facts_of, lines_of

if TYPE_CHECKING:
    from spikecut.tools.commands.files.data import Data

CHECKS = {  # by the rows of DATASETS; the others are checked by `dataset_check`
    "images": "image_check check_pictures",
    "gestures": "gesture_check check_gestures",
    "class folders": "set_check check_set",
}


def check(path: Path, *, read: bool = False) -> Checked:
    """The check for the kind of a data set; reads every example only if `read` is set.

    Raises:
        SourceError: if there are no examples at all, or lists of DVS128 Gesture contradict themselves.
    """
    module, name = CHECKS.get(kind_of(path), "dataset_check check_dataset").split()
    checked: Checked = getattr(import_module(f"spikecut.tools.checks.{module}"), name)(path, read=read)
    return checked


def run_data_check(options: "Data") -> int:
    """The command: 0 if the set is complete, 3 if something is missing or damaged, 4 if nothing can be used.

    Raises:
        SourceError: as `check`.
    """
    checked = check(options.folder, read=options.read)
    print(json.dumps(facts_of(checked)) if options.json else "\n".join(map(printable, lines_of(checked))))
    return 0 if not checked.faults else 3 if checked.usable else 4
