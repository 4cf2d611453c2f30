# mypy: ignore-errors
# (It imports by the names of the day, which only spikecut.moved knows.)
"""What is observed of the code: names that are typed or stored, and decisions over the fixtures. JSON values only.

The same functions wrote `names.json` and `decisions.json` before modules moved, and are compared with them since. They
go in by the ways that users have: the command line, what `spikecut` exports, and module paths of `names.json`.
"""

import ast
import contextlib
import dataclasses
import hashlib
import io
import json
import re
import shutil
import tempfile
import typing
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spikecut
from spikecut.tools.cli import main
from spikecut.tools.commands import COMMANDS

HERE = Path(__file__).parent
DATA = HERE / "data"
RUN = DATA / "run" / "seed0"
NETWORK = RUN / "corners.safetensors"
OWN = DATA / "own" / "own_network.py"
BAR = DATA / "bar.aedat"
TINY = sorted((HERE.parent / "data").glob("tiny.*"))
SENSOR = spikecut.SensorSize(8, 8)
STEP_US, HORIZON = 10_000, 12
SHIPPED = {"nmnist": ("2",), "gestures": ("0.5", "1", "2")}  # tolerances of the cutoffs that ship
SHIPPED_RULES = ("fixed", "topk", "confidence", "ltt")

ENGINE = "norse"  # by which decisions came about then; to its last digit only it says the same


def write(path: Path, value: Any) -> None:
    """One line for every entry of the first two levels: differences stay readable."""
    entries = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines = ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(one, separators=(',', ':'))}" for name, one in inner.items()
            )
            entries.append(f" {json.dumps(key)}: {{\n{lines}\n }}")
        else:
            entries.append(f" {json.dumps(key)}: {json.dumps(inner)}")
    path.write_text("{\n" + ",\n".join(entries) + "\n}\n")


def streams() -> list[Path]:
    """Eight recordings, two of each class."""
    return sorted((DATA / "streams").rglob("*.bin"))


def command(*words: str) -> tuple[int, str, str]:
    """A command's exit code, stdout and stderr, called where the fixtures lie."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(DATA), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return code, out.getvalue(), err.getvalue()


_STEPPING = ("run", "replay", "why")


def json_of(*words: str) -> Any:
    """What a command prints with --json: the only object, or the list of all lines."""
    code, out, err = command(*words, *(["--engine", ENGINE] if words[0] in _STEPPING else []), "--json")
    assert code in (0, 3), err
    objects = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return objects[0] if len(objects) == 1 else objects


def made_with() -> dict[str, str]:
    """On what the last bit of a float may depend."""
    packages = {name: metadata.version(name).partition("+")[0] for name in ("torch", "numpy", "norse", "scipy")}
    return {**packages, "cpu": torch.backends.cpu.get_cpu_capability(), "vendor": _vendor()}


def _vendor() -> str:
    """The maker of the processor, by which libraries choose their kernels; empty where Linux does not say it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("vendor_id"):
                return line.split(":")[1].strip()
    return ""


# Decisions


def cutoffs() -> dict[str, Path]:
    """Every cutoff for the network of the run, by its path within the fixtures."""
    beside = [path for path in RUN.glob("corners.*.json") if path.name != "corners.policy.json"]
    others = [path for folder in ("leaky", "by_t", "combined") for path in (DATA / folder).glob("*.json")]
    return {path.relative_to(DATA).as_posix(): path for path in sorted([*beside, *others])}


def own_cutoffs() -> dict[str, Path]:
    return {path.relative_to(DATA).as_posix(): path for path in sorted((DATA / "own").glob("*.json"))}


def asks_a_policy(path: Path) -> bool:
    return bool(json.loads(path.read_text())["decider"]["type"] == "planned")


def swept(path: Path) -> dict[str, str]:
    """Stops and labels of a cutoff over recorded outputs, and its sets as bits: a hexadecimal digit a recording."""
    from spikecut.pipeline.recorded import load_outputs, sweep

    found = {}
    for part in ("calibration", "evaluation/outputs"):
        recorded, _ = load_outputs(RUN / f"{part}.npz")
        sweep_of = sweep(recorded, spikecut.load_cutoff(path).cutoff)
        found[f"{part} stops"] = "".join(f"{step:x}" for step in sweep_of.stops.tolist())
        found[f"{part} labels"] = "".join(f"{label:x}" for label in sweep_of.labels.tolist())
        if sweep_of.sets is not None:
            found[f"{part} sets"] = "".join(f"{bits:x}" for bits in (sweep_of.sets @ (8, 4, 2, 1)).tolist())
    return found


def frames_of(path: Path, sensor: spikecut.SensorSize, step_us: int, downsample: int = 1) -> Any:
    binner = spikecut.CountBinner(sensor, step_us, downsample=downsample)
    return binner.bins(spikecut.open_recording(path, sensor=sensor))


def stopped(model: str | Path, path: Path) -> list[list[Any]]:
    """Each stream, really stopped: label, steps, reason, score and summed outputs."""
    network, _ = spikecut.load_network(model, engine=ENGINE)
    cutoff = spikecut.load_cutoff(path)
    return [decided(network, cutoff.cutoff, frames_of(stream, SENSOR, STEP_US), HORIZON) for stream in streams()]


def decided(network: Any, decider: Any, frames: Any, horizon: int) -> list[Any]:
    *_, last = spikecut.run(frames, network, decider, horizon=horizon)
    assert isinstance(last, spikecut.Decision)
    set_ = None if last.classes is None else list(last.classes)
    return [last.label, last.steps, last.reason.name, last.score, [float(str(one)) for one in last.total], set_]


def told(model: Path, *how: str) -> list[Any]:
    """What `spikecut run` prints of each stream."""
    about = ["--model", model.relative_to(DATA).as_posix(), "--once"]
    return [json_of("run", stream.relative_to(DATA).as_posix(), *about, *how) for stream in streams()]


def replayed() -> dict[str, Any]:
    """What `spikecut replay` says of rules that really stop, without its times."""
    report = json_of("replay", "streams", "--model", NETWORK.relative_to(DATA).as_posix(), "--part", "all")
    rows = [{name: row[name] for name in ("rule", "n_right", "mean_steps")} for row in report["rules"]]
    return {row["rule"]: row for row in rows}


def shipped() -> dict[str, Any]:
    """The networks that ship: their cutoffs on a recording, and their outputs to the end of it."""
    from spikecut.sources.shapes import write_digits

    found: dict[str, Any] = {}
    where = import_module("spikecut.models.checkpoint").SHIPPED
    with tempfile.TemporaryDirectory() as folder:
        digits = write_digits(Path(folder), 4, seed=5)
        found["drawn digits"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in digits]
        for model, tolerances in SHIPPED.items():
            recording = digits[3] if model == "nmnist" else BAR
            network, card = spikecut.load_network(model, engine=ENGINE)
            factor = card.sensor.width // card.spec.frame.width
            frames = list(frames_of(recording, card.sensor, card.spec.step_us, factor))
            first = 0 if model == "nmnist" else 30  # where the bar begins to move
            found[f"{model} to the end"] = decided(
                network, spikecut.never(card.horizon), iter(frames[first:]), card.horizon
            )
            found[f"{model} confidence"] = decided(
                network, spikecut.confidence(0.5, card.horizon), iter(frames[first:]), card.horizon
            )
            for name in (f"{rule}-{tolerance}pt" for tolerance in tolerances for rule in SHIPPED_RULES):
                cutoff = spikecut.load_cutoff(where / f"{model}.{name}.json").cutoff
                found[f"{model} {name} stopped"] = decided(network, cutoff, iter(frames[first:]), card.horizon)
                found[f"{model} {name}"] = json_of("run", str(recording), "--model", model, "--cutoff", name)
            start = str(first * card.spec.step_us / 1e6)
            saved = str(Path(folder) / f"{model}.png")
            answers = json_of("why", str(recording), "--model", model, "--start", start, "--save", saved)
            found[f"{model} why"] = answers["answers"]
    return found


def columns() -> dict[str, list[str]]:
    """Digests of the columns of one recording of each format."""
    found = {}
    for path in (*TINY, streams()[0], BAR):
        text = {"text": import_module("spikecut.sources").TextLayout("xytp")} if path.suffix == ".txt" else {}
        sensor = SENSOR if path == streams()[0] else spikecut.SensorSize(128, 128)
        batches = list(spikecut.open_recording(path, sensor=sensor, **text))
        whole = [np.concatenate([np.asarray(getattr(batch, name)) for batch in batches]) for name in "txyp"]
        found[path.name] = [f"{one.dtype} {hashlib.sha256(one.tobytes()).hexdigest()}" for one in whole]
    return found


def fingerprints() -> dict[str, str]:
    """Of a network of one's own, and of the networks of all recipes with every weight the same."""
    from spikecut.models.fingerprint import fingerprint
    from spikecut.models.networks import build, plain
    from spikecut.tools.recipe import read_recipe
    from spikecut.tools.recipe import shipped as recipes

    found = {"own_network.py": spikecut.load_network(OWN)[1].weights_sha256}
    for name in recipes():
        spec = read_recipe(name).network
        if not spec.n_classes:
            spec = dataclasses.replace(spec, n_classes=3)
        narrow = tuple(min(4, width) for width in spec.channels)
        torch.manual_seed(0)
        network = plain(build(dataclasses.replace(spec, channels=narrow))).eval()
        with torch.no_grad():
            for weight in network.parameters():
                weight.fill_(0.25)
        for module in network.modules():
            for buffer_name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.is_floating_point():
                    setattr(module, buffer_name, torch.full_like(buffer, 0.5))
        found[name] = fingerprint(network, spec.n_classes)
    return found


def version_1() -> dict[str, str]:
    """What is said of the cutoffs that shipped before version 2: the decision, or the refusal."""
    from spikecut.sources.shapes import write_digits

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        digit = write_digits(Path(folder), 4, seed=5)[3]
        for path in sorted((DATA / "version1").glob("*.json")):
            where = path.relative_to(DATA).as_posix()
            code, out, err = command("run", str(digit), "--model", "nmnist", "--cutoff", where, "--once", "--json")
            found[where] = f"{code} {out if code == 0 else err}"
    return found


def results() -> str:
    code, out, err = command("results", "run")
    assert code == 0, err
    return out


def decisions() -> dict[str, Any]:
    """Everything that `decisions.json` holds."""
    every = cutoffs()
    return {
        "made_with": made_with(),
        "swept": {name: swept(path) for name, path in every.items()},
        "stopped": {name: stopped(NETWORK, path) for name, path in every.items() if not asks_a_policy(path)},
        "told": {name: told(NETWORK, "--cutoff", name) for name in every if name.startswith("run/")},
        "default": {"run": told(NETWORK)},
        "replayed": replayed(),
        "own": {name: stopped(OWN, path) for name, path in own_cutoffs().items()},
        "own told": {name: told(OWN, "--cutoff", name) for name in own_cutoffs()},
        "shipped": shipped(),
        "columns": columns(),
        "fingerprints": fingerprints(),
        "version 1": version_1(),
        "results": {"stdout": results()},
    }


# Names


def keys(value: Any, at: str = "") -> set[str]:
    """The paths of all keys: `rules[].name`. Names of classes and rules, which are data, count as keys where they are.

    >>> sorted(keys({"a": [{"b": 1}, {"c": 2}]}))
    ['a', 'a[].b', 'a[].c']
    """
    if isinstance(value, dict):
        paths = {f"{at}.{name}" if at else name for name in value}
        return paths.union(*(keys(inner, f"{at}.{name}" if at else name) for name, inner in value.items()))
    if isinstance(value, list):
        return set().union(*(keys(inner, f"{at}[]") for inner in value)) if value else set()
    return set()


def flags(name: str) -> dict[str, list[str]]:
    """Flags of a command, each with its default and its type or choices; and those that --help shows."""
    found = {}
    for field in dataclasses.fields(COMMANDS[name]):
        required = field.default is dataclasses.MISSING
        default = "required" if required else repr(field.default).replace("PosixPath", "Path")
        kind: Any = typing.get_args(field.type)[0] if typing.get_origin(field.type) is typing.Annotated else field.type
        literal = typing.get_origin(kind) is typing.Literal
        plain = getattr(kind, "__name__", None) if isinstance(kind, type) else re.sub(r"\b[a-z_]+\.", "", str(kind))
        found[field.name.replace("_", "-")] = [default, *(typing.get_args(kind) if literal else [str(plain)])]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([name, "--help"])
    return {**found, "--help": sorted(set(re.findall(r"--[a-z][a-z0-9-]*\b", out.getvalue().partition("options")[2])))}


def modules() -> dict[str, list[str]]:
    """Every module that can be imported, with the public names that it defines, read from its source."""
    root = Path(spikecut.__file__).parent
    found = {}
    for part in ("", "pipeline", "sources", "models", "tools"):
        for path in sorted((root / part).glob("*.py")):
            if path.name == "__main__.py":
                continue
            dotted = ".".join(("spikecut", *(path.relative_to(root).with_suffix("").parts)))
            found[dotted.removesuffix(".__init__")] = sorted(set(_defined(ast.parse(path.read_text()))))
    return found


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            targets = [inner for target in node.targets for inner in ast.walk(target)]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        elif isinstance(node, ast.ImportFrom):
            names = [one.asname for one in node.names if one.asname == one.name]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def choices() -> dict[str, list[str]]:
    """Names that are typed in TOML, in Python or at the command line, or stored."""
    at = import_module
    return {
        "rules": list(at("spikecut.pipeline.fitting").FITS),
        "deciders": list(at("spikecut.pipeline.fitted").TYPES),
        "scores": list(at("spikecut.pipeline.cutoff").SCORES),
        "readouts": list(at("spikecut.pipeline.readout").KINDS),
        "nonconformity": list(at("spikecut.pipeline.conformal").NONCONFORMITY),
        "corrections": list(at("spikecut.pipeline.conformal").CORRECTIONS),
        "poolings": list(at("spikecut.pipeline.conformal").POOLINGS),
        "drop causes": [cause.value for cause in at("spikecut.pipeline.events").DropCause],
        "stop reasons": [reason.name for reason in spikecut.StopReason],
        "architectures": list(at("spikecut.models.networks").ARCHITECTURES),
        "surrogates": list(at("spikecut.models.surrogates").KINDS),
        "counterparts": list(at("spikecut.sources.counterparts").COUNTERPARTS),
        "recipes": at("spikecut.tools.recipe").shipped(),
        "exported": sorted(spikecut.__all__),
    }


def recipes() -> dict[str, str]:
    """Digests of all that a shipped recipe says, read; without keys that came later, where they have their default."""
    from spikecut.tools.recipe import read_recipe, shipped

    said = {name: dataclasses.asdict(read_recipe(name)) for name in shipped()}
    said["corners.toml"] = dataclasses.asdict(read_recipe(DATA / "corners.toml"))
    later = {"fit": [""], "filters": [(), []], "teacher": [""], "watched_every": [0]}
    later |= {"drawings": [("gestures",)], "rejects": [()]}
    said = {name: {key: one[key] for key in one if one[key] not in later.get(key, [])} for name, one in said.items()}
    for one in said.values():
        for key in (
            "short_window",
            "short_share",
            "distillation",
            "short_teacher",
            "mirrored_teacher",
            "noise",
            "company",
        ):
            if one["training"].get(key) == 0:
                del one["training"][key]
        if not one["training"].get("companions", [0]):
            del one["training"]["companions"]
        if not one["training"].get("mixed_steps", {}).get("samples"):
            one["training"].pop("mixed_steps", None)
        for key in ("after_no_us", "revise_us"):
            if one["onset"] and one["onset"].get(key) == 0:
                del one["onset"][key]
    return {
        name: hashlib.sha256(json.dumps(one, sort_keys=True, default=str).encode()).hexdigest()
        for name, one in said.items()
    }


def json_keys() -> dict[str, list[str]]:
    """The keys of every JSON object that is printed or written."""
    model = NETWORK.relative_to(DATA).as_posix()
    folder_of_streams = ["streams", "--model", model, "--part", "all"]
    stream = streams()[0].relative_to(DATA).as_posix()
    with tempfile.TemporaryDirectory() as folder:
        cost, weights = Path(folder) / "cost.json", Path(folder) / NETWORK.name
        assert command("cost", *folder_of_streams, "--rounds", "1", "--cutoff", "topk", "--out", str(cost))[0] == 0
        for path in RUN.glob("corners*"):
            shutil.copy(path, folder)
        fitted = ["calibrate", str(RUN / "calibration.npz"), "--model", str(weights), "--rule", "topk", "planned"]
        assert command(*fitted, "--tolerance", "0.05", "--overwrite")[0] == 0
        written = {path.name: json.loads(path.read_text()) for path in Path(folder).glob("*.json")}
        evaluate = ["evaluate", str(RUN / "evaluation" / "outputs.npz"), "--model", model, "--part", "all"]
        found = {
            **{
                f"info {path.name}": json_of("info", str(path), "--sensor", "128x128")
                for path in TINY
                if path.suffix != ".txt"
            },
            "run": json_of("run", stream, "--model", model),
            "run conformal": json_of("run", stream, "--model", model, "--cutoff", "conformal"),
            "replay": json_of("replay", *folder_of_streams),
            "evaluate": json_of(*evaluate, "--cutoff", "planned", "conformal", "--out", folder),
            "why": json_of("why", stream, "--model", model, "--save", str(Path(folder) / "why.png")),
            "card": json.loads((RUN / "corners.json").read_text()),
            "policy card": json.loads((RUN / "corners.policy.json").read_text()),
            "cutoff": written["corners.topk-5pt.json"],
            "planned cutoff": written["corners.planned-5pt.json"],
            "cost": written["cost.json"],
        }
    return {name: sorted(keys(one)) for name, one in found.items()}


def names() -> dict[str, Any]:
    """Everything that `names.json` holds."""
    return {
        "commands": {name: flags(name) for name in COMMANDS},
        "choices": choices(),
        "recipes": recipes(),
        "json": json_keys(),
        "files": {"recipe": (DATA / "written_by_recipe.txt").read_text().split()},
        "modules": modules(),
    }
