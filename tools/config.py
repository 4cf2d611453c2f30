"""`--config FILE`: a TOML file with one table a command, whose keys are the command's own fields.

The values become flags in front of those on the command line, so the command line wins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.strict import check_numbers, nearest, read_toml, unexpected
from spikecut.tools.flags import Flag, expected, flags_of

_TYPES: dict[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str, int, float)}


def without_limits(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line without every `--limit NAME=NUMBER`, and these settings.

    Raises:
        ConfigError: if a setting is missing behind the flag.
    """
    rest, settings, waiting = list[str](), list[str](), iter(words)
    for word in waiting:
        if word == "--limit":
            if (setting := next(waiting, None)) is None:
                raise ConfigError("--limit without NAME=NUMBER")
            settings.append(setting)
        elif word.startswith("--limit="):
            settings.append(word.removeprefix("--limit="))
        else:
            rest.append(word)
    return rest, settings


def with_config(words: Sequence[str], commands: Mapping[str, type]) -> list[str]:
    """The words of a command line, with `--config FILE` replaced by the flags of the file.

    Raises:
        ConfigError: if the file cannot be read, or names a command, a key or a value that does not exist.
    """
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--config=") else [word])]
    if "--config" not in words:
        return words
    at = words.index("--config")
    if at + 1 == len(words):
        raise ConfigError("--config without a file")
    path, rest = Path(words[at + 1]), words[:at] + words[at + 2 :]
    tables = _read(path)
    values = {command: _checked(path, command, table, commands) for command, table in tables.items()}
    command = next((word for word in rest if not word.startswith("-")), "")
    if command not in commands:
        return rest
    place = rest.index(command) + 1
    front, back = list[str](), list[str]()
    for flag, value in values.get(command, ()):
        if flag.n_values in (0, 1):
            front += _words(flag, value)
        elif flag.shown not in rest:  # a list would swallow a word that follows it
            back += _words(flag, value)
    return rest[:place] + front + rest[place:] + back


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error


def _checked(path: Path, command: str, table: Any, commands: Mapping[str, type]) -> list[tuple[Flag, Any]]:
    """The flags of one table, each with its value.

    Raises:
        ConfigError: for an unknown command or key, or a value of another type, with the path of the key.
    """
    if command not in commands or not isinstance(table, dict):
        raise ConfigError(f"{path}: {command}: no such command{nearest(command, list(commands))}")
    flags = {flag.field: flag for flag in flags_of(commands[command])}
    for key, value in table.items():
        where = f"{path}: {command}.{key}"
        if key not in flags:
            raise ConfigError(f"{where}: no such key{nearest(key, list(flags))}")
        flag = flags[key]
        if flag.positional:
            raise ConfigError(f"{where}: belongs on the command line", hint=f"spikecut {command} {flag.shown}")
        if not _fits(flag, value):
            raise ConfigError(f"{path}: {unexpected(f'{command}.{key}', value, expected(flag))}")
        for one in value if isinstance(value, list) else [value]:
            if flag.kind in (int, float) and (problem := flag.problem(one)):
                raise ConfigError(f"{path}: {unexpected(f'{command}.{key}', one, problem)}")
        try:
            check_numbers(value, f"{command}.{key}")
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    return [(flags[key], value) for key, value in table.items()]


def _fits(flag: Flag, value: Any) -> bool:
    """Whether a value has the type of its flag; a flag of many values takes one or a list."""
    if flag.n_values in (0, 1):
        return _is_of(flag, value)
    values = value if isinstance(value, list) else [value]
    enough = bool(values) if flag.n_values is None else len(values) == flag.n_values
    return enough and all(_is_of(flag, one) for one in values)


def _is_of(flag: Flag, value: Any) -> bool:
    if flag.choices:
        return value in flag.choices
    return isinstance(value, _TYPES[flag.kind]) and isinstance(value, bool) == (flag.kind is bool)


def _words(flag: Flag, value: Any) -> list[str]:
    """A value of the file as words of a command line."""
    if isinstance(value, bool):
        return [flag.shown if value else f"--no-{flag.name}"]
    return [flag.shown, *map(str, value if isinstance(value, list) else [value])]
