"""Parts of recordings that are silent, or come from another recording, as a variation for training.

Limits are shares of the frame's area or of the steps; how much of it is used is drawn uniformly for each recording,
and the place uniformly among those that lie wholly inside.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from spikecut.models.training.losses import Targets


def silenced(
    frames: Float[Tensor, "B T 2 H W"], time: float, area: float, generator: torch.Generator
) -> Float[Tensor, "B T 2 H W"]:
    """Recordings without events for a span of steps, or in a rectangle.

    Up to the share `time` of the steps in a row, and a rectangle of up to the share `area` of the frame through all
    steps. Drop by time and drop by area of EventDrop (Gu et al., arXiv 2106.05836), which picks one of
    its ways for a showing where here every limit above 0 applies to all. The rectangle is that of the paper; its code
    empties the whole rows and columns through it.
    """
    n, steps, _, height, width = frames.shape
    if time:
        share = time * torch.rand(n, generator=generator)
        frames = frames.masked_fill(_span(steps, share, generator)[:, :, None, None, None], 0)
    if area:
        frames = frames.masked_fill(_rectangle(height, width, area, n, generator)[:, None, None], 0)
    return frames


def noisy(frames: Float[Tensor, "B T 2 H W"], share: float, generator: torch.Generator) -> Float[Tensor, "B T 2 H W"]:
    """Recordings with one event more in up to that share of the squares and steps, of each polarity by itself.

    So looks what single pixels report of their own, shot noise and leak, where few squares get two such events in a
    step. With a share of 0 nothing is drawn.
    """
    if share == 0:
        return frames
    level = share * torch.rand(len(frames), 1, 1, 1, 1, generator=generator)
    return frames + (torch.rand(frames.shape, generator=generator) < level)


def mixed(
    frames: Float[Tensor, "B T 2 H W"],
    labels: Int64[Tensor, " B"],
    area: float,
    n_classes: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "B T 2 H W"], Targets]:
    """Recordings that look into another one through a rectangle, and what they then show: a share of each class.

    A rectangle of up to the share `area` of the frame comes, in all steps, from the recording before it in the batch,
    whose order is random: CutMix (Yun et al., arXiv 1905.04899, section 3.1) on events. Label weights are not the
    areas, which may be empty, but the fractions of events kept from each recording (EventMix, Shen et al., arXiv
    2205.12054, by number of events as its code computes it). If no event of either recording is kept, the label stays
    as it was. A span of steps is never taken from another recording: the loss reads the label at every step, and it
    would be wrong at each one before the span.

    The targets are shares of K classes, float32 with a sum of 1, which every loss in `losses` takes. With an area
    of 0 frames and labels come back as they are, and nothing is drawn.
    """
    if area == 0:
        return frames, labels
    n, _, _, height, width = frames.shape
    inside = _rectangle(height, width, area, n, generator)[:, None, None]
    before = frames.roll(1, 0)
    still, shown = _part(frames, ~inside), _part(before, inside)
    own = torch.where(still + shown > 0, still / (still + shown), 1)[:, None]
    classes = F.one_hot(labels, n_classes)
    return torch.where(inside, before, frames), own * classes + (1 - own) * classes.roll(1, 0)


def _part(frames: Float[Tensor, "B T 2 H W"], where: Bool[Tensor, "B 1 1 H W"]) -> Float[Tensor, " B"]:
    """The share of a recording's events that are there; of none, none."""
    there, all_events = (frames * where).flatten(1).sum(1), frames.flatten(1).sum(1)
    return torch.where(all_events > 0, there / all_events, 0)


def _rectangle(height: int, width: int, area: float, n: int, generator: torch.Generator) -> Bool[Tensor, "B H W"]:
    """One for each of n recordings, of the frame's own shape, as in CutMix."""
    side = (area * torch.rand(n, generator=generator)).sqrt()
    return _span(height, side, generator)[:, :, None] & _span(width, side, generator)[:, None, :]


def _span(cells: int, share: Float[Tensor, " B"], generator: torch.Generator) -> Bool[Tensor, "B cells"]:
    """The cells in a row whose middles are inside an interval of that share of all, somewhere."""
    begin = cells * (1 - share) * torch.rand(len(share), generator=generator)
    middles = torch.arange(cells) + 0.5
    return (middles >= begin[:, None]) & (middles < (begin + cells * share)[:, None])
