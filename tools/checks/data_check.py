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
    """The check that belongs to the kind of a data set; reads everything where `read` says so.

    Raises:
        SourceError: if there are no examples at all, or lists of DVS128 Gesture contradict themselves.
    """
    module, name = CHECKS.get(kind_of(path), "dataset_check check_dataset").split()
    found: Checked = getattr(import_module(f"spikecut.tools.checks.{module}"), name)(path, read=read)
    return found


def run_data_check(options: "Data") -> int:
    """The command: 0 if the set is complete, 3 if something is missing or damaged, 4 if nothing can be used.

    Raises:
        SourceError: as `check` says.
    """
    found = check(options.folder, read=options.read)
    print(json.dumps(facts_of(found)) if options.json else "\n".join(map(printable, lines_of(found))))
    return 0 if not found.faults else 3 if found.usable else 4
