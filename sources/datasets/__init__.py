"""Labelled data sets: class folders, gesture sessions, images. `DATASETS` is the table of their kinds.

A new kind is one module with `recognise(path)` and `open_set(path)` and one row here. Evaluating, replaying,
training, checking and describing a folder all ask the table. Rows are tried in their order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, SpikecutError

if TYPE_CHECKING:
    from spikecut.sources.datasets.base import Dataset, InputKind


@dataclass(frozen=True, slots=True)
class DatasetKind:
    """One kind of data set: the module that reads it, what a network that looks at it takes, and words for people.

    `module` has `recognise(path) -> bool` and `open_set(path) -> Dataset`; it is imported when it is first used.
    `text_opener` names the function that opens the set where the layout of files of text is given, so that they are
    recordings, too; None if files of text never are. `things` is the word for examples, `layout` what lies in the
    folder.
    """

    module: str
    input_kind: "InputKind"
    things: str
    layout: str
    text_opener: str | None = None

    def recognises(self, path: Path) -> bool:
        """Whether a folder or file is a data set of this kind."""
        return bool(import_module(self.module).recognise(path))

    def open(self, path: Path, *, text: bool = False) -> "Dataset":
        """The data set; with `text` the layout of files of text is given.

        Raises:
            SourceError: if there is none, or it is damaged.
            ConfigError: if what the module gives is no `Dataset`, naming what it lacks.
        """
        from spikecut.sources.datasets.base import Dataset

        opener = self.text_opener if text and self.text_opener else "open_set"
        dataset: Dataset = getattr(import_module(self.module), opener)(path)
        if lacking := [name for name in vars(Dataset) if not name.startswith("_") and not hasattr(dataset, name)]:
            raise ConfigError(
                f"{self.module}.{opener} gave a {type(dataset).__name__} without {', '.join(lacking)}",
                hint="spikecut.sources.datasets.base.Dataset says what a data set has; see docs/extending.md",
            )
        return dataset


DATASETS = {
    "images": DatasetKind(
        "spikecut.sources.datasets.images.open_images",
        "images",
        "pictures",
        "CIFAR's archives, Tiny-ImageNet, folders or zips of <class>/<image>",
    ),
    "gestures": DatasetKind(
        "spikecut.sources.datasets.dvs_gesture",
        "events",
        "gestures",
        "sessions of DVS128 Gesture, as published or as Tonic keeps them",
    ),
    "class folders": DatasetKind(
        "spikecut.sources.datasets.class_folders", "events", "recordings", "<class>/<recording>", "open_set_with_text"
    ),
}
_FALLBACK: "dict[InputKind, str]" = {"events": "class folders", "images": "images"}


def is_dataset(path: Path) -> bool:
    """Whether a row recognises a folder or file."""
    return any(row.recognises(path) for row in DATASETS.values())


def kind_of(path: Path, input_kind: "InputKind | None" = None) -> str:
    """The name of the kind of a data set: the first row that recognises it, among those for one kind of input.

    What no row recognises is taken for class folders; a file, or whatever a network for images is given, for images.
    """
    named = (name for name, _ in _rows(input_kind) if DATASETS[name].recognises(path))
    return next(named, _FALLBACK[input_kind or ("images" if path.is_file() else "events")])


def open_dataset(path: Path, input_kind: "InputKind", reader: str = "this network", *, text: bool = False) -> "Dataset":
    """The data set at a path, for a network that takes one kind of input; `reader` names the network in an error.

    With `text` the layout of files of text is given, so that they are recordings.

    Raises:
        SourceError: if there is no such folder, or nothing in it can be used.
        ConfigError: if it is a data set for another kind of input.
    """
    from spikecut.sources.datasets.base import INPUTS
    from spikecut.sources.formats.reading.files import check_name

    check_name(path)
    try:
        return DATASETS[kind_of(path, input_kind)].open(path, text=text)
    except SpikecutError as error:
        others = (row for _, row in _rows(None) if row.input_kind != input_kind and row.recognises(path))
        if (other := next(others, None)) is None:
            raise
        raise ConfigError(
            f"{path} holds {other.things}; {reader} looks at {INPUTS[input_kind].looks_at}",
            hint=INPUTS[other.input_kind].network_hint,
        ) from error


def _rows(input_kind: "InputKind | None") -> "Iterator[tuple[str, DatasetKind]]":
    return ((name, row) for name, row in DATASETS.items() if input_kind in (None, row.input_kind))


def __getattr__(name: str) -> object:
    """What the module of this name held before it became a folder."""
    from spikecut.moved import look_up

    return look_up(__name__, name)
