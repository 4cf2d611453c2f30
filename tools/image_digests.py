"""By what pictures are known again: digests of their content, and the few of them that a card keeps."""

from collections.abc import Iterable, Sequence

from spikecut.pipeline.errors import SpikecutError
from spikecut.sources.datasets.images.image_sets import LabelledPicture, PictureSet

_UNREADABLE = "unreadable"
SKETCH = 1_024


def digests_of(pictures: Sequence[LabelledPicture]) -> list[str]:
    """One for every picture; of those that cannot be read, a word."""
    found = []
    for picture in pictures:
        try:
            found.append(picture.digest())
        except SpikecutError:
            found.append(_UNREADABLE)
    return found


def sketch_of(found: PictureSet) -> tuple[str, ...]:
    """By what a card knows the pictures that trained its network: the smallest 1,024 digests of the train part.

    A share of any other set that holds these pictures too, so that it is noticed; a digest for each of them would make
    a card of a megabyte. Pictures that a published set has in two of its parts are not among them.
    """
    elsewhere = {*digests_of(found.of("calibration")), *digests_of(found.of("test"))}
    mine = set(digests_of(found.of("train"))) - elsewhere
    return sketch(mine)


def sketch(digests: Iterable[str]) -> tuple[str, ...]:
    """The smallest of some digests: as good as drawn, and the same wherever the same are among others."""
    return tuple(sorted(set(digests) - {_UNREADABLE})[:SKETCH])
