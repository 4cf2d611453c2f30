"""`spikecut simulate`: drawn gestures as whole sessions, in the layout of DVS128 Gesture."""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import track

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.sources.datasets import Part
from spikecut.sources.gestures import DrawnSession, drawn_session, drawn_users, write_lists, write_session


def run_simulate(folder: Path, *, users: int, part: Part, seed: int, jobs: int, overwrite: bool) -> int:
    """The command: one session a user; those that are there already are kept, so an interrupted run goes on.

    Raises:
        ConfigError: if there is nobody to draw, or the folder holds sessions that this would not write.
    """
    if users < 1 or jobs < 1:
        raise ConfigError(f"{users} users drawn by {jobs} processes; there must be at least one of each")
    sessions = [drawn_session(user, seed) for user in drawn_users(users, part)]
    if not sessions:
        raise ConfigError(f"none of {users} users belongs to the {part} part", hint="--users 29 has all parts")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot make this folder: {error.strerror}") from error
    origin, marker = f"drawing of seed {seed}\n", folder / ".drawn"
    strangers = sorted(path.name for path in folder.iterdir() if path.suffix == ".aedat")
    if strangers and not overwrite and (not marker.is_file() or marker.read_text() != origin):
        raise ConfigError(
            f"{folder} holds {strangers[0]}, which is no drawing of seed {seed}",
            hint="choose an empty folder, or pass --overwrite",
        )
    marker.write_text(origin)
    write_lists(folder, sessions)
    missing = [s for s in sessions if overwrite or not (folder / f"{s.name}.aedat").is_file()]
    console = Console(stderr=True)
    for _ in track(_written(folder, missing, jobs), "drawing", len(missing), console=console, transient=True):
        pass
    n_gestures = sum(len(list(session.spans())) for session in sessions)
    print(f"{folder}: {len(sessions)} session{'s' * (len(sessions) != 1)} with {n_gestures} drawn gestures")
    print(f"next: spikecut run {folder / sessions[0].name}.aedat --model gestures", file=sys.stderr)
    return 0


def _written(folder: Path, sessions: list[DrawnSession], jobs: int) -> Iterator[Path]:
    if jobs == 1:
        yield from (write_session(folder, session) for session in sessions)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(write_session, [folder] * len(sessions), sessions)
