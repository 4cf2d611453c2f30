"""How data sets are divided: every rule that says which part an example belongs to, and which ones are watched.

`train` shapes weights, `calibration` fits thresholds, `test` measures. A part is a function of names and folders
alone, so a set divides the same way on every machine, and adding examples moves none of the others.

Of the train part, one example of every few trains nothing: it shows progress between epochs (`watched_apart`).
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, TypeVar

Part = Literal["train", "calibration", "test", "all"]
Division = Literal["train", "calibration", "test"]
PARTS: tuple[Part, ...] = ("train", "calibration", "test", "all")
DIVISIONS: tuple[Division, ...] = ("train", "calibration", "test")
WATCHED_RECORDINGS = 10  # one of so many is watched
WATCHED_IMAGES = 50
_CIFAR10_DVS = re.compile(r"cifar10_[a-z]+_(\d+)\.\w+")
Member = TypeVar("Member")


def fraction_of(name: str) -> float:
    """The SHA-256 of a name, read as a fraction of 1: divides names the same way on every machine.

    >>> round(fraction_of("ant/image_0001.bin"), 3)
    0.848
    """
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "big") / 2**64


def part_of_recording(name: str, division: Division | None = None) -> Division:
    """The part of a recording `<class>/<file>`: about 60 % train, 20 % calibration, 20 % test, by `fraction_of`.

    `division` is the published folder of the recording: what was published to test tests, and what its name would
    put among the test recordings trains. Of CIFAR10-DVS the numbers from 900 on test, as in the literature (TET,
    SEENN), and those from 800 on calibrate.

    >>> part_of_recording("ant/image_0001.bin"), part_of_recording("ant/image_0001.bin", "train")
    ('test', 'train')
    """
    if division == "test":
        return "test"
    if numbered := _CIFAR10_DVS.fullmatch(name.rpartition("/")[2]):
        number = int(numbered[1])
        return "test" if number >= 900 else "calibration" if number >= 800 else "train"
    fraction = fraction_of(name)
    if 0.6 <= fraction < 0.8:
        return "calibration"
    return "train" if fraction < 0.6 or division == "train" else "test"


def part_of_image(name: str, *, tests: bool) -> Division:
    """The part of an image `<class>/<file>` by `fraction_of`: below 0.8 train, below 0.9 calibration, above test.

    Where `tests` is false, a folder of the set tests already, and the last tenth trains.
    """
    fraction = fraction_of(name)
    if 0.8 <= fraction < 0.9:
        return "calibration"
    return "test" if tests and fraction >= 0.9 else "train"


def part_of_place(place: int, n: int) -> Division:
    """The part of one of `n` images published to train, by its place among them: the last tenth calibrates."""
    return "train" if place < n - n // 10 else "calibration"


def part_of_user(user: int, *, tests: bool) -> Division:
    """The part of a person of DVS128 Gesture: the test list tests; of the others every fourth (3, 7, …) calibrates."""
    return "test" if tests else "calibration" if user % 4 == 3 else "train"


def drawn_part(user: int) -> Part:
    """Which part a drawn user belongs to: of every 29 the last six test, as in the genuine set.

    Of the others, those whose number leaves 3 when divided by 4 calibrate.
    """
    return part_of_user(user, tests=(user - 1) % 29 >= 23)


def watched_apart(members: Sequence[Member], every: int) -> tuple[list[Member], list[Member]]:
    """The members that train, and those that are watched: the first of every so many.

    >>> watched_apart("abcdef", 3)
    (['b', 'c', 'e', 'f'], ['a', 'd'])
    """
    return [one for i, one in enumerate(members) if i % every], list(members[::every])
