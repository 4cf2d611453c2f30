"""Other libraries on the same damaged files, each in a child of its own with a limit of time and memory.

Run by a Python that has them (`make fuzz PEERS=/path/to/python`). Nothing of spikecut is imported there.
"""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fuzz.subjects import Subject, scratch
from fuzz.worker import made

SECONDS, MEMORY_BYTES = 10, 4_000_000_000
_BEGIN = f"""
import resource, sys, hashlib
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
import numpy as np
path = sys.argv[1]
def show(t, x, y, p):
    columns = [np.asarray(one).astype(np.int64) for one in (t, x, y, p)]
    print(len(columns[0]), hashlib.sha256(b"".join(one.tobytes() for one in columns)).hexdigest()[:16])
"""
_EXPELLIARMUS = """
from expelliarmus import Wizard
events = Wizard(encoding={encoding!r}).read(path)
if events is None: sys.exit("no events")
show(events["t"], events["x"], events["y"], events["p"])
"""
_FAERY = """
import faery
parts = list(faery.events_stream_from_file(path))
events = np.concatenate(parts) if parts else np.zeros(0, [("t", "u8"), ("x", "u2"), ("y", "u2"), ("on", "?")])
show(events["t"], events["x"], events["y"], events["on"])
"""
_EVUTILS = """
from evutils.io import EventReader
parts = [events for events in EventReader(path)]
events = np.concatenate(parts)
show(events["t"], events["x"], events["y"], events["p"])
"""
_AEDAT = """
import aedat
parts = [packet["events"] for packet in aedat.Decoder(path) if "events" in packet]
events = np.concatenate(parts) if parts else np.zeros(0, [("t", "u8"), ("x", "u2"), ("y", "u2"), ("on", "?")])
show(events["t"], events["x"], events["y"], events["on"])
"""
PEERS: dict[str, dict[str, str]] = {
    "dat": {"expelliarmus": _EXPELLIARMUS.format(encoding="dat"), "faery": _FAERY, "evutils": _EVUTILS},
    "evt2": {
        "expelliarmus": _EXPELLIARMUS.format(encoding="evt2"),
        "faery": _FAERY,
        "evutils": _EVUTILS,
    },
    "evt3": {
        "expelliarmus": _EXPELLIARMUS.format(encoding="evt3"),
        "faery": _FAERY,
        "evutils": _EVUTILS,
    },
    "es": {"faery": _FAERY},
    "aedat4": {"aedat": _AEDAT, "faery": _FAERY, "evutils": _EVUTILS},
}
OUTCOMES = ("error", "other events without a word", "the same events", "hang", "crash or out of memory")


def compared(groups: Mapping[str, list[Subject]], python: str, seed: int, n: int) -> str:
    """A Markdown table: what peers make of the first `n` damaged files of each format that they read."""
    lines = [f"| format | reader | files | {' | '.join(OUTCOMES)} |", f"|---|---|{'---:|' * (len(OUTCOMES) + 1)}"]
    for name in (name for name in PEERS if name in groups):
        for peer, code in PEERS[name].items():
            counts = tried(groups[name], python, _BEGIN + code, seed, n)
            row = "not usable here" if counts is None else " | ".join(f"{counts[one]:,}" for one in OUTCOMES)
            lines.append(f"| {name} | {peer} | {0 if counts is None else counts.total():,} | {row} |")
    return "\n".join(lines)


def tried(group: Sequence[Subject], python: str, code: str, seed: int, n: int) -> Counter[str] | None:
    """Outcomes of one reader; None if it does not read the whole file."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        wholes = {}
        for subject in group:
            path = Path(folder, f"whole{subject.suffix}")
            path.write_bytes(subject.data)
            wholes[subject.name] = _ran(python, code, path)
        if not any(whole.startswith("events ") for whole in wholes.values()):
            return None
        for index in range(n):
            subject, mutant = made(list(group), seed, index)
            if not wholes[subject.name].startswith("events ") or mutant.data == subject.data:
                continue
            path = Path(folder, f"mutant{subject.suffix}")
            path.write_bytes(mutant.data)
            outcome = _ran(python, code, path)
            if outcome.startswith("events "):
                outcome = OUTCOMES[2] if outcome == wholes[subject.name] else OUTCOMES[1]
            counts[outcome] += 1
    return counts


def _ran(python: str, code: str, path: Path) -> str:
    try:
        done = subprocess.run([python, "-c", code, str(path)], capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "hang"
    if done.returncode == 0:
        return f"events {done.stdout.decode(errors='replace').strip()}"
    memory = b"MemoryError" in done.stderr or b"memory allocation" in done.stderr
    return OUTCOMES[4] if done.returncode < 0 or memory else "error"
