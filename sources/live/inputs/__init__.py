"""Sources that come once, at their own time: one module each, and one row each in the table `SOURCES`.

A row's `recognise` decides by the word on the command line; what no row recognises is the path of a recording.
"""

from pathlib import Path

from spikecut.sources.live.inputs.base import LiveInput

SOURCES = {
    "stdin": LiveInput(
        "standard input",
        "-",
        lambda word: word == "-",
        "spikecut.sources.live.inputs.bytes_in:open_stdin",
    ),
    "follow": LiveInput(
        "a file that is being written",
        "FILE --follow",
        lambda word: False,
        "spikecut.sources.live.inputs.bytes_in:open_growing",
        once=False,
    ),
    "udp": LiveInput(
        "datagrams",
        "udp://HOST:PORT",
        lambda word: word.startswith("udp:"),
        "spikecut.sources.live.inputs.udp:open_udp",
        own_pace=True,
    ),
    "camera": LiveInput(
        "pictures of a camera",
        "camera:0",
        lambda word: word.startswith("camera:"),
        "spikecut.sources.simulation.live_camera:open_camera",
        own_pace=True,
    ),
    "drawn": LiveInput(
        "drawn gestures",
        "drawn:gestures",
        lambda word: word.startswith("drawn:"),
        "spikecut.sources.simulation.live_drawings:open_drawn",
        once=False,
    ),
}


def live_input(file: Path, *, follow: bool) -> LiveInput | None:
    """The row for a word on the command line; None for the path of a recording.

    >>> live_input(Path("-"), follow=False).name
    'standard input'
    """
    if follow:
        return SOURCES["follow"]
    word = word_of(file)
    return next((row for row in SOURCES.values() if row.recognise(word)), None)


def word_of(file: Path) -> str:
    """The word of which a path was made, with both slashes behind the colon of an address.

    >>> word_of(Path("udp://127.0.0.1:3333"))
    'udp://127.0.0.1:3333'
    """
    scheme, colon, rest = str(file).partition(":/")
    return f"{scheme}://{rest}" if colon and scheme.isalpha() and len(scheme) > 1 else str(file)
