"""Single keys of the terminal, while a recording plays: no Enter is needed, and nothing is echoed."""

import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from spikecut.sources.live.controls import hints

_ARROWS = {b"\x1b[C": "right", b"\x1b[D": "left", b"\x1bOC": "right", b"\x1bOD": "left"}


class Pressed(Protocol):
    """What keys press: the controls of one stream, or of several."""

    @property
    def keys(self) -> dict[str, str]: ...

    def press(self, key: str) -> bool: ...


@contextmanager
def terminal_keys(controls: Pressed) -> Iterator[None]:
    """While it lasts, keys of the terminal press `controls`; a line on stderr names them.

    Without effect where standard input is no terminal, or one that belongs to another program at the moment.
    """
    if not _is_ours():
        yield
        return
    import termios  # not on Windows, where `_is_ours` is False
    import tty

    number = sys.stdin.fileno()
    former = termios.tcgetattr(number)
    ended, wake = os.pipe()
    tty.setcbreak(number)  # Ctrl-C stays a signal
    reader = threading.Thread(target=_read_keys, args=(number, ended, controls), daemon=True)
    reader.start()
    print(f"keys: {hints(controls.keys)}", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, former)
        os.close(wake)
        reader.join()
        os.close(ended)


def keys_of(typed: bytes) -> list[str]:
    """The keys in what a terminal sent; an arrow is one key, an unknown sequence none.

    >>> keys_of(b" \\x1b[C."), keys_of(b"\\x1b"), keys_of(b"\\x1b[5~")
    ([' ', 'right', '.'], ['\\x1b'], [])
    """
    keys = list[str]()
    while typed:
        arrow = next((name for name in _ARROWS if typed.startswith(name)), None)
        if arrow is not None:
            keys.append(_ARROWS[arrow])
            typed = typed[len(arrow) :]
        elif typed.startswith(b"\x1b") and len(typed) > 1:
            return keys
        else:
            keys.append(chr(typed[0]))
            typed = typed[1:]
    return keys


def _is_ours() -> bool:
    """Whether standard input is a terminal that this process may read."""
    try:
        number = sys.stdin.fileno()
        return os.isatty(number) and os.tcgetpgrp(number) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # no stdin, a closed one, no process groups
        return False


def _read_keys(number: int, ended: int, controls: Pressed) -> None:
    while True:
        readable, _, _ = select.select([number, ended], [], [])
        if ended in readable:
            return
        typed = os.read(number, 64)
        if not typed:  # the terminal is gone
            return
        for key in keys_of(typed):
            controls.press(key)
