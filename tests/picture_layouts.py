"""Small sets of pictures in the genuine layouts, made for tests: CIFAR's pickles as Python 2 wrote them, folders."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spikecut.sources.datasets.images.cifar import CIFAR10, CIFAR100, Cifar

COLOURS = ("red", "green", "blue")


_PLAIN: Any = vars(pickle)["_Pickler"]  # the pickler in Python, whose opcodes can be changed


class _Python2(_PLAIN):  # type: ignore[misc]
    """Protocol 2 with text as Python 2 had it: bytes, in opcodes that Python 3 reads and does not write."""

    dispatch: ClassVar[dict[type, Any]] = dict(_PLAIN.dispatch)

    def save_bytes(self, value: bytes) -> None:
        short = len(value) < 256
        self.write((b"U" + bytes([len(value)]) if short else b"T" + len(value).to_bytes(4, "little")) + value)
        self.memoize(value)

    def save_str(self, value: str) -> None:
        self.save_bytes(value.encode())

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str


def as_python2(value: Any) -> bytes:
    """The pickle of plain values and arrays as in CIFAR's files."""
    file = io.BytesIO()
    _Python2(file, 2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def coloured(label: int, rng: np.random.Generator, side: int = 32) -> np.ndarray:
    """A picture (3, side, side) of noise whose brightest colour is number `label` modulo 3."""
    picture = rng.integers(0, 120, (3, side, side), np.uint8)
    picture[label % 3] += 120
    return picture


def cifar_batches(layout: Cifar, n_each: int, seed: int = 0, names: Sequence[str] = ()) -> dict[str, bytes]:
    """Every file of a set, with `n_each` pictures in each that holds some, labels in turn; `names` of the classes."""
    rng = np.random.default_rng(seed)
    files = {}
    for name in [*(name for name, _ in layout.train), layout.test[0]]:
        labels = [i % layout.n_classes for i in range(n_each)]
        data = np.stack([coloured(label, rng).ravel() for label in labels])
        about = {b"batch_label": b"made by a test", b"filenames": [b"%d.png" % i for i in range(n_each)]}
        files[name] = as_python2({**about, layout.labels_key: labels, b"data": data})
    told = [name.encode() for name in names] or [b"class %02d" % i for i in range(layout.n_classes)]
    files[layout.meta[0]] = as_python2({b"num_vis": 3072, layout.names_key: told})
    return files


def write_cifar(
    folder: Path, layout: Cifar = CIFAR10, n_each: int = 20, *, packed: bool = True, names: Sequence[str] = ()
) -> Path:
    """A made set: the archive `cifar-10-python.tar.gz`, or the folder that lies in it. The path of either."""
    files = cifar_batches(layout, n_each, names=names)
    if not packed:
        for name, raw in files.items():
            (folder / layout.folder).mkdir(parents=True, exist_ok=True)
            (folder / layout.folder / name).write_bytes(raw)
        return folder / layout.folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("cifar-100-python.tar.gz" if layout is CIFAR100 else "cifar-10-python.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in files.items():
            about = tarfile.TarInfo(f"{layout.folder}/{name}")
            about.size = len(raw)
            archive.addfile(about, io.BytesIO(raw))
    return path


def encoded(picture: np.ndarray, suffix: str) -> bytes:
    """A picture (3, H, W) as a file."""
    import cv2

    done, raw = cv2.imencode(suffix, np.ascontiguousarray(picture[::-1].transpose(1, 2, 0)))
    assert done
    return raw.tobytes()


def write_folders(folder: Path, n_train: int, n_test: int = 0, *, suffix: str = ".png", side: int = 32) -> Path:
    """`train|test/<class>/0000.png` of three colours, n a class; without test pictures `<class>/0000.png`."""
    rng = np.random.default_rng(0)
    for division, n in (("train", n_train), ("test", n_test)):
        for label, name in enumerate(COLOURS):
            below = folder / division / name if n_test else folder / name
            for i in range(n):
                below.mkdir(parents=True, exist_ok=True)
                (below / f"{i:04d}{suffix}").write_bytes(encoded(coloured(label, rng, side), suffix))
    return folder


def write_tiny_imagenet(folder: Path, n_train: int = 5, n_val: int = 2, n_test: int = 2) -> Path:
    """`tiny-imagenet-200` with three classes of WordNet, in 64 x 64 JPEG as published."""
    root, rng = folder / "tiny-imagenet-200", np.random.default_rng(0)
    wnids = {"n01443537": "goldfish, Carassius auratus", "n01629819": "salamander", "n02124075": "Egyptian cat"}
    shown = []
    for label, wnid in enumerate(wnids):
        below = root / "train" / wnid / "images"
        below.mkdir(parents=True)
        for i in range(n_train):
            (below / f"{wnid}_{i}.JPEG").write_bytes(encoded(coloured(label, rng, 64), ".jpg"))
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t63\t63\n")
    for part, n in (("val", 3 * n_val), ("test", n_test)):
        (root / part / "images").mkdir(parents=True)
        for i in range(n):
            (root / part / "images" / f"{part}_{i}.JPEG").write_bytes(encoded(coloured(i % 3, rng, 64), ".jpg"))
            shown += [f"val_{i}.JPEG\t{list(wnids)[i % 3]}\t0\t0\t63\t63\n"] if part == "val" else []
    (root / "val" / "val_annotations.txt").write_text("".join(shown))
    (root / "wnids.txt").write_text("\n".join(reversed(wnids)))
    others = "".join(f"n0999{i}\tsomething else, {i}\n" for i in range(20))
    (root / "words.txt").write_text(others + "".join(f"{wnid}\t{words}\n" for wnid, words in wnids.items()))
    return root


def zipped(folder: Path, *, below: str = "") -> Path:
    """A folder as a zip archive beside it, all under the folder `below`."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{below}{file.relative_to(folder).as_posix()}")
    return path
