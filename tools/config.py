"""`--config FILE`: a TOML file with one table a command, whose keys are the command's own fields.

The values become flags in front of those that were typed, so what is typed wins.
"""

import dataclasses
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.strict import check_numbers, nearest, read_toml, unexpected


def with_config(words: list[str], commands: dict[str, type]) -> list[str]:
    """The words of a command line, with `--config FILE` replaced by the flags that the file stands for.

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
    command = next((word for word in rest if not word.startswith("-")), "")
    tables = _read(path)
    for name, table in tables.items():
        if name not in commands or not isinstance(table, dict):
            raise ConfigError(f"{path}: {name}: no such command{nearest(name, list(commands))}")
        fields = [field.name for field in dataclasses.fields(commands[name])]
        for key in table:
            if key not in fields:
                raise ConfigError(f"{path}: {name}.{key}: no such key{nearest(key, fields)}")
    if command not in commands:
        return rest
    place = rest.index(command) + 1
    front, back = list[str](), list[str]()
    for key, value in tables.get(command, {}).items():
        if not isinstance(value, list):
            front += _flag(path, command, key, value)
        elif f"--{key.replace('_', '-')}" not in rest:  # a list would swallow a word that follows it
            back += _flag(path, command, key, value)
    return rest[:place] + front + rest[place:] + back


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error


def _flag(path: Path, command: str, key: str, value: object) -> list[str]:
    name = key.replace("_", "-")
    try:
        check_numbers(value, f"{command}.{key}")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, str | int | float):
        return [f"--{name}", str(value)]
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return [f"--{name}", *value]
    wrong = unexpected(f"{command}.{key}", value, "a word, a number, true or false, or a list of words")
    raise ConfigError(f"{path}: {wrong}")
