"""Truths about names of modules from before the folders were divided."""

import importlib
import re
from pathlib import Path

import pytest

from spikecut.moved import MOVED, OLD_PACKAGES, RENAMED, look_up

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_gives_the_same_objects_and_says_where_they_are_now(old: str) -> None:
    homes = [importlib.import_module(f"spikecut.{home}") for home in MOVED[old].split()]
    with pytest.warns(DeprecationWarning, match=rf"spikecut\.{old} is now {homes[0].__name__}"):
        module = importlib.reload(importlib.import_module(f"spikecut.{old}"))
    for home in homes:
        for name, value in vars(home).items():
            if getattr(value, "__module__", None) == home.__name__ and not name.startswith("__"):
                assert getattr(module, name) is value


def test_an_unknown_name_of_an_old_module_is_refused() -> None:
    module = importlib.import_module("spikecut.pipeline.cutoff")
    with pytest.raises(AttributeError, match=r"spikecut\.pipeline\.cutoff.*no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_nothing_here_imports_by_an_old_name() -> None:
    old = re.compile(r"spikecut\.(" + "|".join(map(re.escape, MOVED)) + r")\b(?!\.)")
    for folder in ("pipeline", "sources", "models", "tools", "tests", "benchmarks"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            if path.parent.name not in ("compatibility", "own") and path != Path(__file__):
                assert not old.findall(path.read_text()), path


def test_folders_that_were_modules_still_hold_what_these_held() -> None:
    for old, homes in OLD_PACKAGES.items():
        first = importlib.import_module(f"spikecut.{homes.split()[0]}")
        public = [name for name, value in vars(first).items() if getattr(value, "__module__", None) == first.__name__]
        package = importlib.import_module(f"spikecut.{old}")
        assert public
        assert all(getattr(package, name) is getattr(first, name) for name in public)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_that_has_another_one_today_is_found(old: str) -> None:
    module, _, name = old.rpartition(".")
    assert look_up(f"spikecut.{module}", name) is not None


def test_a_module_that_is_gone_says_why() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"spikecut\.sources\.faults is no longer there: only tests used it"):
        importlib.import_module("spikecut.sources.faults")
