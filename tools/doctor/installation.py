"""What an installation rests on: the packages that it needs, what can be added, and where it may write."""

import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from spikecut.pipeline.errors import EnvironmentProblem, in_a_line
from spikecut.sources.simulation.figure_kernels import draw
from spikecut.tools.training.frame_cache import cache_folder
from spikecut.tools.views.window import window_problem

DISTRIBUTION = "spikecut"
_INSTEAD = {"opencv-python-headless": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")}
_MODULES = {"opencv-python-headless": "cv2", "norse": "norse.torch"}
_NOT_FOR_USERS = ("dev",)

State = Literal["ok", "absent", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `absent` is what is not needed and not there, `broken` what must be mended."""

    thing: str
    state: State
    detail: str = ""
    hint: str = ""


def packages() -> Iterator[Finding]:
    """Python and every package that is needed: its version within what is asked for, and that it loads."""
    yield Finding("python", "ok", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    for line in metadata.requires(DISTRIBUTION) or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield package(needed)
    yield from _both_wheels()


def extras() -> Iterator[Finding]:
    """What can be installed beside, by the name of the extra."""
    lines = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or ()]
    for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
        if extra in _NOT_FOR_USERS:
            continue
        members = [one for one in lines if one.marker is not None and one.marker.evaluate({"extra": extra})]
        members = [one for one in members if not one.marker.evaluate({"extra": ""})]  # type: ignore[union-attr]
        missing = [one.name for one in members if _version(one.name) is None]
        thing = f"[{extra}]"
        if missing:
            hint = f"pip install '{DISTRIBUTION}[{extra}]'"
            yield Finding(thing, "absent", f"{', '.join(missing)} not installed", hint)
            continue
        wrong = [one for one in map(package, members) if one.state == "broken"]
        versions = ", ".join(f"{one.name} {_version(one.name)}" for one in members)
        yield Finding(thing, "broken" if wrong else "ok", "; ".join(one.detail for one in wrong) or versions)


def package(needed: Requirement) -> Finding:
    """One package: is it there, of a version that is asked for, and does it load?"""
    name = next((one for one in (needed.name, *_INSTEAD.get(needed.name, ())) if _version(one)), needed.name)
    there = _version(name)
    hint = f"pip install --upgrade '{needed.name}{needed.specifier}'"
    if there is None:
        return Finding(needed.name, "broken", f"not installed; needed is {needed.specifier or 'any version'}", hint)
    if not needed.specifier.contains(there, prereleases=True):
        return Finding(needed.name, "broken", f"{there}; needed is {needed.specifier}", hint)
    try:
        import_module(_MODULES.get(needed.name, needed.name.replace("-", "_")))
    except Exception as error:  # whatever a package does when it is loaded, this goes on
        return Finding(
            needed.name,
            "broken",
            f"{there} does not load: {in_a_line(error)}",
            f"pip install --force-reinstall {needed.name}",
        )
    return Finding(needed.name, "ok", there if name == needed.name else f"{name} {there} in its place")


def windows() -> Iterator[Finding]:
    """Whether a window can be shown."""
    problem = window_problem()
    yield Finding("window", "absent", str(problem), problem.hint or "") if problem else Finding("window", "ok")


def folders() -> Iterator[Finding]:
    """Where frames for training and the machine code of kernels are kept; without the latter each start is slow."""
    try:
        yield _written("cache of frames", cache_folder(), "SPIKECUT_CACHE=FOLDER names another place")
    except EnvironmentProblem as problem:
        yield Finding("cache of frames", "broken", str(problem), problem.hint or "")
    place: str | None = draw.stats.cache_path  # type: ignore[attr-defined]  # of Numba's dispatcher
    if place is None:
        detail = "no folder can be written: kernels are compiled anew in every process"
        yield Finding("cache of kernels", "broken", detail, "NUMBA_CACHE_DIR=FOLDER names a place")
    else:
        yield _written("cache of kernels", Path(place), "NUMBA_CACHE_DIR=FOLDER names another place")


def _written(thing: str, folder: Path, hint: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Finding(thing, "ok", str(folder))
    except OSError as error:
        return Finding(thing, "broken", f"{folder}: {(error.strerror or str(error)).lower()}", hint)


def _both_wheels() -> Iterator[Finding]:
    """Two wheels of OpenCV lie in one folder: the later one has overwritten the other, whatever their versions say."""
    there = {name: _version(name) for name in ("opencv-python", "opencv-python-headless") if _version(name)}
    if len(set(there.values())) > 1:
        both = ", ".join(f"{name} {version}" for name, version in there.items())
        hint = "pip install --force-reinstall opencv-python-headless, or both of one version"
        yield Finding("opencv", "broken", f"two wheels of different versions share one folder: {both}", hint)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
