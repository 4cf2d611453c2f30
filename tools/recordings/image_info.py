"""`spikecut info` about one image, or about a data set in short."""

import json
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import printable
from spikecut.sources.datasets import DATASETS, is_dataset, kind_of
from spikecut.sources.datasets.images.image_files import SUFFIXES, colours, picture_bytes
from spikecut.sources.datasets.parts import PARTS
from spikecut.sources.formats.reading.files import check_name


def is_about_pictures(path: Path) -> bool:
    """Whether a path is that of an image or of a data set.

    Raises:
        UnreadableSource: if no file can have this name.
    """
    check_name(path)
    return (path.is_file() and path.suffix.lower() in SUFFIXES) or path.is_dir() or is_dataset(path)


def run_picture_info(path: Path, *, as_json: bool) -> int:
    """The command.

    Raises:
        SourceError: if it cannot be read.
    """
    about = _one(path) if path.is_file() and path.suffix.lower() in SUFFIXES else _set(path)
    if as_json:
        print(json.dumps(about))
        return 0
    print(printable(str(path)))
    for name, value in about.items():
        text = ", ".join(f"{key} {n:,}" for key, n in value.items()) if isinstance(value, dict) else str(value)
        print(printable(f"  {name:<9} {text}"))
    return 0


def _one(path: Path) -> dict[str, Any]:
    pixels = colours(picture_bytes(path), path)
    _, height, width = pixels.shape
    mean = dict(zip(("red", "green", "blue"), (round(float(one)) for one in pixels.mean((1, 2))), strict=True))
    return {"format": f"picture ({path.suffix.lower()[1:]})", "size": f"{width}x{height}", "mean": mean}


def _set(path: Path) -> dict[str, Any]:
    row = DATASETS[kind_of(path)]
    dataset = row.open(path)
    about: dict[str, Any] = {"origin": dataset.origin} if dataset.origin else {}
    about |= {row.things: {part: len(dataset.examples(part)) for part in PARTS}, "classes": len(dataset.classes)}
    if dataset.notes:
        about["notes"] = "; ".join(dataset.notes)
    return about | {"next": f"spikecut data check {path}"}
