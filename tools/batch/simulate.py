"""`spikecut simulate`: drawn people in the layout of DVS128 Gesture, and counterparts of other sets from pictures."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, printable
from spikecut.pipeline.files.atomic_files import write_text
from spikecut.sources.datasets.catalog import imitated
from spikecut.sources.datasets.class_folders import MADE_BY, maker_in
from spikecut.sources.simulation.beckoning import Beckoning, write_beckoning
from spikecut.sources.simulation.drawn_digits import digit_files, write_digit
from spikecut.sources.simulation.drawn_people import session_of
from spikecut.sources.simulation.gestures import DrawnSession, drawn_users, write_lists, write_session
from spikecut.sources.simulation.repeats import REPEATED, repeats_of, text_of
from spikecut.sources.simulation.scenes.session import VERSION as IN_DEPTH
from spikecut.sources.simulation.scenes.session import DrawnScene, mixed_scene, movement_scene
from spikecut.sources.simulation.simulated_datasets import (
    COUNTERPARTS,
    Picture,
    digest_of,
    pictures_of,
    write_recording,
)
from spikecut.tools.batch.writing import written

if TYPE_CHECKING:
    from spikecut.tools.commands.files.simulate import Simulate

_COUNTED = ("beckon", "digits")


def run_simulate(options: "Simulate") -> int:
    """The command: drawn people, or a counterpart of a data set from pictures.

    Recordings that are there already are kept, so an interrupted run goes on.

    Raises:
        ConfigError: if there is nothing to draw, pictures are missing or not needed, or the folder holds other
            recordings.
    """
    if options.what in COUNTERPARTS:
        return run_counterpart(options)
    if options.images is not None or options.complete or (options.count is not None and options.what not in _COUNTED):
        raise ConfigError(
            f"{options.what} are drawn, not made from pictures", hint="leave --images, --count and --complete out"
        )
    if options.what == "beckon":
        return _beckon(options)
    if options.what == "digits":
        return _digits(options)
    folder, users, overwrite = options.folder, options.users, options.overwrite
    sessions, origin, version = _drawn(options)
    if not sessions:
        raise ConfigError(f"none of {users} users belongs to the {options.part} part", hint="--users 29 has all parts")
    _claim(folder, origin, overwrite)
    write_lists(folder, sessions, version)
    missing = {s.name: s for s in sessions if overwrite or not (folder / f"{s.name}.aedat").is_file()}
    written(partial(write_session, folder), missing, options.jobs, len(sessions))
    n_gestures = sum(len(list(session.spans())) for session in sessions)
    movements = ""
    if options.what != "gestures":
        n_movements = sum(len(list(session.movements())) for session in sessions)
        movements = f" and {n_movements} movements that are none"
    n_sessions = f"{len(sessions)} session{'s' * (len(sessions) != 1)}"
    print(f"{folder}: {n_sessions} with {n_gestures} drawn gestures{movements}")
    print(f"next: spikecut run {folder / sessions[0].name}.aedat --model gestures", file=sys.stderr)
    return 0


def _drawn(options: "Simulate") -> tuple[list[DrawnSession | DrawnScene], str, int]:
    """The sessions to write, what marks their folder, and the version of the drawing."""
    users, seconds = drawn_users(options.users, options.part), options.minutes * 60
    seed, quick, version = options.seed, options.quick, options.version
    if options.what == "gestures":
        origin = f"drawing of seed {seed}" + (f", version {version}" if version > 1 else "")
        return [session_of(user, seed, quick=quick, version=version) for user in users], origin, version
    origin = f"drawing of seed {seed}, version {IN_DEPTH}, {options.what}, {options.minutes:g} min"
    if options.what == "movements":
        return [movement_scene(user, seconds, seed) for user in users], origin, IN_DEPTH
    return [mixed_scene(user, seconds, seed, quick=quick) for user in users], origin, IN_DEPTH


def _beckon(options: "Simulate") -> int:
    """A class folder of a gesture that no shipped network knows."""
    folder, n, seed, version = options.folder, options.count or 1, options.seed, options.version
    people = [Beckoning(user, n, seed, version) for user in drawn_users(options.users, options.part)]
    if not people:
        raise ConfigError(f"none of {options.users} users belongs to the {options.part} part", hint="--users 29")
    _claim(folder, f"drawing of seed {seed}, version {version}, beckon", options.overwrite)
    there = [all((folder / name).is_file() for name in person.names) for person in people]
    missing = {p.session.name: p for p, done in zip(people, there, strict=True) if options.overwrite or not done}
    written(partial(write_beckoning, folder), missing, options.jobs, len(people))
    print(f"{folder}: {n * len(people)} drawn gestures 'right hand beckon' of {len(people)} people")
    print(f"next: spikecut teach {folder} --model gestures --out mine", file=sys.stderr)
    return 0


def _digits(options: "Simulate") -> int:
    """Class folders of drawn digits, which the names of their files divide as every such folder."""
    folder, n = options.folder, options.count or 100
    _claim(folder, f"drawing of seed {options.seed}, digits", options.overwrite)
    digits = digit_files(n, options.seed)
    missing = {name: (name, d) for name, d in digits.items() if options.overwrite or not (folder / name).is_file()}
    written(partial(write_digit, folder), missing, options.jobs, len(digits))
    print(f"{folder}: {n} drawings of each of ten digits")
    print(f"next: spikecut data check {folder}", file=sys.stderr)
    return 0


def run_counterpart(options: "Simulate") -> int:
    """One recording a picture, below `Train` and `Test`, `Caltech101` or `CIFAR10DVS` in the folder.

    Raises:
        ConfigError: if there are no pictures, or the folder holds other recordings.
    """
    images, count, overwrite = options.images, options.count, options.overwrite
    if images is None:
        raise ConfigError(
            f"simulate {options.what} shows pictures to a camera", hint="--images FOLDER_OR_ZIP of <class>/<picture>"
        )
    if options.complete and count is not None:
        raise ConfigError("--complete makes all recordings of a class, --count some", hint="leave one of them out")
    counterpart = COUNTERPARTS[options.what]
    if count is not None:
        counterpart = replace(counterpart, most=min(count, counterpart.most or count))
    selection = pictures_of(images, counterpart)
    print(printable(f"{images}: {selection}"), file=sys.stderr)
    target, origin = options.folder / counterpart.folder, f"counterpart of {counterpart.title}, seed {options.seed}"
    repeated = _repeated(selection.used, origin, images) if options.complete else {}
    _claim_counterpart(target, selection.used, repeated, origin, overwrite)
    pictures = (*selection.used, *repeated)
    missing = {str(p.recording): p for p in pictures if overwrite or not (target / p.recording).is_file()}
    write = partial(write_recording, target, counterpart=counterpart, seed=options.seed)
    n_events = sum(written(write, missing, options.jobs, len(pictures)))
    n_classes = len({p.recording.parent.name for p in pictures})
    print(printable(f"{target}: {len(pictures)} simulated recordings of {n_classes} classes"))
    if repeated:
        print(
            f"{len(repeated):,} of them show a picture again, with other noise; {REPEATED} says which", file=sys.stderr
        )
    if missing:
        print(
            f"{n_events / len(missing):,.0f} events a recording, {counterpart.show.end_us / 1000:g} ms", file=sys.stderr
        )
    return 0


def _repeated(pictures: Sequence[Picture], origin: str, images: Path) -> dict[Picture, Picture]:
    published = imitated(f"{origin},")
    return repeats_of(pictures, published, images) if published is not None else {}


def _claim_counterpart(
    target: Path, pictures: Sequence[Picture], repeated: Mapping[Picture, Picture], origin: str, overwrite: bool
) -> None:
    """Claims each folder of class folders for these pictures; `overwrite` removes recordings that a program made there.

    Recordings without the marker of a program are never removed. What is `repeated` stands in a file of its own.
    """
    wanted = {target / picture.recording for picture in (*pictures, *repeated)}
    claims: dict[Path, str] = {}
    for below in sorted({picture.root for picture in pictures}):
        folder = target / below
        claim = f"{origin}, pictures {digest_of(p for p in pictures if p.root == below)}"
        claim += f", {len(repeated):,} recordings repeat one of them" if repeated else ""
        existing = _recordings(folder)
        if existing and not (folder / MADE_BY).is_file():
            raise ConfigError(
                f"{folder} holds {existing[0].relative_to(folder)}, and nothing says that it was simulated",
                hint="choose an empty folder",
            )
        _refuse_others(folder, claim, [path for path in existing if path not in wanted], overwrite)
        claims[folder] = claim
    for folder, claim in claims.items():
        for path in _recordings(folder) if overwrite else ():
            path.unlink()
        _claim(folder, claim, overwrite)
        (folder / REPEATED).unlink(missing_ok=True)
    if repeated:
        write_text(target / REPEATED, text_of(repeated), overwrite=True)


def _claim(folder: Path, origin: str, overwrite: bool) -> None:
    """Makes the folder with the marker of its recordings' origin; refuses a folder with other recordings."""
    _refuse_others(folder, origin, [], overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot make this folder: {error.strerror}") from error
    write_text(folder / MADE_BY, f"{origin}\n", overwrite=True)


def _refuse_others(folder: Path, origin: str, strangers: Sequence[Path], overwrite: bool) -> None:
    """Refuses a folder with recordings of another origin, or with `strangers`, which are never mixed with ours."""
    marker = folder / MADE_BY
    maker = maker_in(marker) if marker.is_file() else ""
    others = strangers if maker == origin else _recordings(folder)
    if others and not overwrite:
        raise ConfigError(
            f"{folder} holds {others[0].relative_to(folder)}, which is no {origin}"
            + (f", but {maker}" if maker not in ("", origin) else ""),
            hint="choose an empty folder, or pass --overwrite",
        )


def _recordings(folder: Path) -> list[Path]:
    """All below a folder but hidden ones: a killed command leaves unfinished files, which the next one replaces."""
    paths = (path for kind in ("aedat", "bin") for path in folder.rglob(f"*.{kind}"))
    return sorted(path for path in paths if not path.name.startswith("."))
