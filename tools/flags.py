"""The flags of a command, read from its options type; unknown words are refused with the nearest known name.

`tyro` builds the options afterwards. The words are checked before, so that every error has the form of ours.
"""

import math
import shlex
import typing
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union

import tyro

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.tools.options import Within

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Flag:
    """One field of an options type: `--name` or a positional word, and which values it takes.

    `n_values` is how many values follow the flag, None for any number. Values are of type `kind`; if there are
    `choices`, one of these; numbers are `within` a range. `metavar` stands for a positional word in the help.
    """

    field: str
    name: str
    positional: bool
    required: bool
    n_values: int | None
    kind: type
    choices: tuple[str | int, ...] = ()
    within: Within | None = None
    metavar: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The choices as they are written on the command line."""
        return tuple(map(str, self.choices))

    @property
    def shown(self) -> str:
        """The flag as written on the command line: `--batch-size`, or `FOLDER` for a positional word."""
        return (self.metavar or self.name.upper()) if self.positional else f"--{self.name}"

    def check(self, value: str) -> None:
        """Refuses a word that is not among the choices, or no number of the range where one is expected.

        Raises:
            ConfigError: naming the expected values.
        """
        if self.choices and value not in self.words:
            nearest = did_you_mean(value, self.words)
            raise ConfigError(f"{self.shown} {value!r}: expected one of {', '.join(self.words)}", hint=nearest)
        if self.kind in (int, float):
            try:
                problem = self.problem(self.kind(value))
            except ValueError:
                problem = _EXPECTED[self.kind]
            if problem:
                raise ConfigError(f"{self.shown} {value!r}: expected {problem}")

    def problem(self, number: float) -> str | None:
        """What was expected in place of a number that is not finite or not in the range; None if it is fine."""
        if not math.isfinite(number):
            return "a finite number"
        if self.within is None or self.within.least <= number <= self.within.most:
            return None
        low = number < self.within.least
        limit = f"{self.within.least:g} or more" if low else f"at most {self.within.most:,.0f}"
        return f"{_EXPECTED[self.kind]} of {limit}"


def flags_of(options: type) -> tuple[Flag, ...]:
    """The flags of an options type, in the order of its fields.

    >>> from spikecut.tools.commands.measure.replay import Replay
    >>> [flag.shown for flag in flags_of(Replay)][:3]
    ['FOLDER', '--model', '--cutoff']
    """
    hints = typing.get_type_hints(options, include_extras=True)
    return tuple(_flag(field.name, hints[field.name], _is_required(field)) for field in fields(options))


def check_words(command: str, words: Sequence[str], options: type) -> None:
    """Refuses the words after a command that do not fit its options type; `--help` always fits.

    Raises:
        ConfigError: for an unknown flag or choice, a value that is missing or no number, a list given twice, a word
            too many or too few.
    """
    if "-h" in words or "--help" in words:
        return
    flags = flags_of(options)
    named = {flag.shown: flag for flag in flags if not flag.positional}
    switches = {f"--no-{flag.name}": flag for flag in named.values() if flag.kind is bool}
    given, loose, rest = set[str](), list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if not _is_flag(word):
            loose.append(word)
            continue
        name, has_value, value = word.partition("=")
        name = name.replace("_", "-")
        flag = named.get(name) or switches.get(name)
        if flag is None:
            hint = did_you_mean(name, named, otherwise=f"spikecut {command} --help lists the flags")
            raise ConfigError(f"spikecut {command}: no flag {name!r}", hint=hint)
        if flag.n_values is None and flag.field in given:  # the first list would be lost
            raise ConfigError(f"{name} is given twice", hint=f"give all once: {name} ONE TWO")
        given.add(flag.field)
        values = [value] if has_value else list(_values_of(flag, rest))
        if flag.n_values is not None and len(values) < flag.n_values:
            raise ConfigError(f"{name}: expected {'a value' if flag.n_values == 1 else f'{flag.n_values} values'}")
        for value in values:
            flag.check(value)
    _check_positional(command, loose, [flag for flag in flags if flag.positional])
    if missing := [flag.shown for flag in named.values() if flag.required and flag.field not in given]:
        raise ConfigError(f"spikecut {command}: {missing[0]} is missing", hint=f"spikecut {command} --help explains it")


def command_line(command: str, options: Any) -> str:
    """The command line that gives these options, as a shell takes it; defaults are left out."""
    values = {field.name: (getattr(options, field.name), field.default) for field in fields(options)}
    positional, named = list[str](), list[str]()
    for flag in flags_of(type(options)):
        value, default = values[flag.field]
        if flag.positional:
            positional += map(str, value if isinstance(value, tuple) else [value])
        elif value is not None and (value != default or type(value) is not type(default)):
            if isinstance(value, bool):
                named.append(flag.shown if value else f"--no-{flag.name}")
            else:
                named += [flag.shown, *map(str, value if isinstance(value, tuple) else [value])]
    return shlex.join(["spikecut", command, *positional, *named])


def expected(flag: Flag) -> str:
    """The values that a flag takes, as text."""
    one = f"one of {', '.join(flag.words)}" if flag.choices else _EXPECTED.get(flag.kind, "a word in quotes")
    return one if flag.n_values in (0, 1) else f"a list, each entry {one}"


def _flag(name: str, hint: Any, required: bool) -> Flag:
    notes: Sequence[Any] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *notes = typing.get_args(hint)
    if typing.get_origin(hint) in (Union, UnionType):
        (hint,) = (one for one in typing.get_args(hint) if one is not NoneType)
    n_values: int | None = 0 if hint is bool else 1
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        n_values, hint = (None if kinds[-1] is Ellipsis else len(kinds)), kinds[0]
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    metavars = (note.metavar for note in notes if getattr(note, "metavar", None))
    return Flag(
        field=name,
        name=name.strip("_").replace("_", "-"),
        positional=any(note is tyro.conf.Positional for note in notes),
        required=required,
        n_values=n_values,
        kind=str if choices or hint is Path else hint,
        choices=choices,
        within=next((note for note in notes if isinstance(note, Within)), None),
        metavar=next((metavar.split()[0] for metavar in metavars), None),
    )


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_flag(word: str) -> bool:
    """Whether a word is a flag: it begins with a dash and is no negative number."""
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit() and word[1] != "."


def _values_of(flag: Flag, rest: list[str]) -> Iterator[str]:
    """Takes the words that belong to a flag from what follows it."""
    n = 0
    while rest and not _is_flag(rest[0]) and (flag.n_values is None or n < flag.n_values):
        n += 1
        yield rest.pop(0)


def _check_positional(command: str, words: Sequence[str], flags: Sequence[Flag]) -> None:
    """Refuses words without a flag that are too many, too few, or none of the choices."""
    help_hint = f"spikecut {command} --help shows what it takes"
    if not any(flag.n_values is None for flag in flags) and len(words) > len(flags):
        raise ConfigError(f"spikecut {command}: {words[len(flags)]!r} is one word too many", hint=help_hint)
    for flag, word in zip(flags, words, strict=False):
        flag.check(word)
    if missing := [flag.shown for flag in flags[len(words) :] if flag.required]:
        raise ConfigError(f"spikecut {command}: {', '.join(missing)} is missing", hint=help_hint)
