"""Where events come from: recorded files, live cameras, simulated and drawn scenes."""

from spikecut.sources.formats.open import open_recording

__all__ = ["open_recording"]


def __getattr__(name: str) -> object:
    """What this module held before it became a folder."""
    from spikecut.moved import look_up

    return look_up(__name__, name)
