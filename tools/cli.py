"""The command `spikecut`: parses the command line, runs one command, turns its errors into lines and an exit code.

A command is a dataclass of the table `COMMANDS`; it imports what it needs when it runs, so `--help` is instant.
"""

import contextlib
import functools
import gc
import inspect
import operator
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from itertools import pairwise
from types import FrameType
from typing import Annotated, Any, TextIO

import tyro

import spikecut
from spikecut.pipeline.errors import (
    ConfigError,
    EnvironmentProblem,
    InUse,
    SourceError,
    SpikecutError,
    SpikecutWarning,
    printable,
)
from spikecut.pipeline.files.limits import set_limits
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.tools.commands import COMMANDS
from spikecut.tools.config import with_config, without_limits
from spikecut.tools.flags import check_words
from spikecut.tools.options import Command
from spikecut.tools.quick_start import load_blas, load_norse

OK, USAGE, DAMAGED, UNREADABLE, ENVIRONMENT, INTERRUPTED, TERMINATED = 0, 2, 3, 4, 5, 130, 143

_ABOUT = """Deciding early on event-camera streams.

$ spikecut demo

$ spikecut run recording.bin --model nmnist --once

spikecut COMMAND --help explains a command; spikecut --version prints the version. Every command takes --config FILE, a
TOML file with one table for each command, whose keys are the names of its flags, and --limit NAME=NUMBER, which raises
a limit on what is read from a file; where one is too low, the error names it.

Exit codes: 0 finished; 2 the command line is wrong; 3 finished, but some input was damaged; 4 nothing could be read;
5 something is missing on this machine or cannot be written; 130 interrupted (Ctrl-C); 143 terminated (SIGTERM)."""

_CONFIG = "With --config FILE, flags are read from the table [{}] of a TOML file; those of the command line win."


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a command in the same way as an interruption."""


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    0 fine, 2 usage, 3 finished but some input was damaged, 4 nothing readable, 5 environment (an output that
    cannot be written, too), 130 interrupted, 143 terminated.
    """
    if argv is None:  # our own process
        gc.disable()  # while modules load: what they make stays
    try:
        with _terminable(), _notes():
            return _main(sys.argv[1:] if argv is None else argv)
    except SpikecutError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        if isinstance(error, EnvironmentProblem | InUse):  # InUse: an output that another process is writing
            return ENVIRONMENT
        return UNREADABLE if isinstance(error, SourceError) else USAGE
    except Terminated as error:
        _say_notes(error)
        print("terminated", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt as error:
        _say_notes(error)
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError as error:  # the reader of our output stopped reading
        _say_notes(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # a folder that cannot be written, a full disk
        place = f"{error.filename}: " if error.filename else ""
        print(printable(f"error: {place}{(error.strerror or str(error)).lower()}"), file=sys.stderr)
        return ENVIRONMENT


def _say_notes(error: BaseException) -> None:
    """Prints what was added to an error on its way, such as where an unfinished file is."""
    for note in getattr(error, "__notes__", ()):
        print(printable(note), file=sys.stderr)


def _main(argv: list[str]) -> int:
    argv, settings = without_limits(argv)
    if settings:
        set_limits(settings)
    words = with_config(argv, COMMANDS)
    if words == ["--version"]:
        print(f"spikecut {spikecut.__version__}")
        return OK
    _check(words)
    command: Command = tyro.cli(
        _commands(words), prog="spikecut", description=_laid_out(_ABOUT), args=words, config=(tyro.conf.DisallowNone,)
    )
    if refuse_early := getattr(command, "refuse_early", None):
        refuse_early()
    load_blas()
    if command.uses_torch:
        if "torch" not in sys.modules:
            print(f"spikecut {words[0]}: loading PyTorch and Norse ...", file=sys.stderr, flush=True)
        import torch

        torch.set_num_threads(1)  # more threads lose on networks of this size, and badly on a busy machine
        load_norse()
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    return int(command.run())


def _check(words: list[str]) -> None:
    """Refuses an unknown command, and what its options type does not take.

    Raises:
        ConfigError: with the nearest known name.
    """
    first = words[0] if words else ""
    for before, word in pairwise(words):
        if not word.strip() and not before.startswith("-"):
            raise ConfigError(
                f"spikecut {first}: {word!r} is no name of a file or folder",
                hint='a variable of the shell may be empty: look at it with echo "$FILE"',
            )
    if first in COMMANDS:
        check_words(first, words[1:], COMMANDS[first])
    elif not words:
        raise ConfigError("a command is missing", hint="spikecut --help lists all commands")
    elif first not in ("-h", "--help"):
        what = "flag" if first.startswith("-") else "command"
        hint = did_you_mean(first, [*COMMANDS, "--help", "--version"], otherwise=f"one of {', '.join(COMMANDS)}")
        raise ConfigError(f"no {what} {first!r}", hint=hint)


def _commands(words: list[str]) -> Any:
    """The choice of commands; only the one that is called shows more than its first line."""
    kinds = []
    for name, kind in COMMANDS.items():
        about = inspect.cleandoc(kind.__doc__ or "")
        if name not in words:
            about = about.split("\n\n")[0].split(": ")[0].rstrip(".") + "."
        else:
            more = getattr(kind, "more_help", None)
            parts = [about, *([more()] if more else []), _CONFIG.format(name)]
            about = _laid_out("\n\n".join(parts))
        kinds.append(Annotated[kind, tyro.conf.subcommand(name, description=about)])
    return functools.reduce(operator.or_, kinds)


def _laid_out(about: str) -> str:
    """A help text whose examples follow one another; the parser prints two blank lines between them otherwise."""
    return re.sub(r"\n\n\$", "\n$", re.sub(r"\n\n\$", "\n\nExamples:\n$", about, count=1))


@contextlib.contextmanager
def _notes() -> Iterator[None]:
    """While it lasts, a `SpikecutWarning` is one line `note: ...` on stderr, once for each text."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", SpikecutWarning)
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, SpikecutWarning):
                print(f"note: {message}", file=sys.stderr)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """While it lasts, SIGTERM raises `Terminated` in this process; processes that it forks end as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            raise Terminated
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
