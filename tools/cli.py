"""The command `spikecut`: its subcommands by name, and what their errors become.

A subcommand is a dataclass of the table `COMMANDS`; it imports what it needs when it runs, so `--help` is instant.
"""

import functools
import inspect
import operator
import os
import sys
from typing import Annotated, Any

import tyro

import spikecut
from spikecut.pipeline.errors import EnvironmentProblem, SourceError, SpikecutError
from spikecut.tools.commands import COMMANDS
from spikecut.tools.config import with_config

OK, USAGE, DAMAGED, UNREADABLE, ENVIRONMENT, INTERRUPTED = 0, 2, 3, 4, 5, 130

_ABOUT = """Deciding early on event-camera streams.

$ spikecut demo

$ spikecut run recording.bin --model nmnist --once

Any command takes --config FILE, a TOML file with one table a command."""


def _commands(words: list[str]) -> Any:
    """The choice of commands; only the one that is called shows more than its first line."""
    kinds = []
    for name, kind in COMMANDS.items():
        about = inspect.cleandoc(kind.__doc__ or "")
        if name not in words:
            about = about.split("\n\n")[0].split(": ")[0].rstrip(".") + "."
        elif more := getattr(kind, "more_help", None):
            about += f"\n\n{more()}"
        kinds.append(Annotated[kind, tyro.conf.subcommand(name, description=about)])
    return functools.reduce(operator.or_, kinds)


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    0 fine, 2 usage, 3 finished but some input was damaged, 4 nothing readable, 5 environment (an output that
    cannot be written, too), 130 interrupted.
    """
    try:
        words = with_config(sys.argv[1:] if argv is None else argv, COMMANDS)
        if words == ["--version"]:
            print(f"spikecut {spikecut.__version__}")
            return OK
        command: Any = tyro.cli(
            _commands(words), prog="spikecut", description=_ABOUT, args=words, config=(tyro.conf.DisallowNone,)
        )
        if command.uses_torch:
            import torch

            torch.set_num_threads(1)  # more threads lose on networks of this size, and badly on a busy machine
        return int(command.run())
    except SpikecutError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        if isinstance(error, SourceError):
            return UNREADABLE
        return ENVIRONMENT if isinstance(error, EnvironmentProblem) else USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # a folder that cannot be written, a full disk
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{(error.strerror or str(error)).lower()}", file=sys.stderr)
        return ENVIRONMENT
