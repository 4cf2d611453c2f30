"""Cutoff rules: how each decides, how it is fitted, and how it is stored."""


def __getattr__(name: str) -> object:
    """What the module of this name held before it became a folder."""
    from spikecut.moved import look_up

    return look_up(__name__, name)
