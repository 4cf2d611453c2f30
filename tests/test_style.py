"""Truths about the shape of the code: functions of a screen, few parameters, short modules, small folders."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
TOPS = ("pipeline", "sources", "models", "tools")
LINES, PARAMETERS, MODULE_LINES, MODULES = 60, 6, 300, 18

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    """All modules of the package."""
    return sorted(path for top in TOPS for path in (REPOSITORY / top).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def is_kernel(path: Path) -> bool:
    """Kernels take arrays one by one, because Numba and autograd compile what takes no values of ours."""
    return any(word in path.stem for word in ("kernels", "decoding", "scan"))


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Every function of a module with its name, which is `Class.method` for a method."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        inside = node.body if isinstance(node, ast.ClassDef | ast.Module) else []
        for child in inside:
            if isinstance(child, Function):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                yield owner + child.name, child


def n_parameters(function: Function) -> int:
    """How many arguments a caller can give: `self` and `cls` are not among them."""
    given = function.args
    named = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(named) - (named[:1] in (["self"], ["cls"]))


# What users call with these keywords; its docstring, with an example that runs, is most of it.
PUBLIC = {
    "models/files/norse_network.py from_norse",
    "pipeline/recognition.py recognise",
    "pipeline/replay.py replay",
}
WIDE = {
    "models/files/norse_network.py from_norse",
    "sources/arrays.py events_from_arrays",
    "tools/api/calibrating.py calibrate",
    "sources/formats/open.py open_recording",
    "pipeline/events.py EventBatch.from_structured",
    "pipeline/replay.py replay",
    "pipeline/replay.py record_outputs",
}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{name_of(path)} {name}"
        for path in modules()
        if not is_kernel(path)
        for name, function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= LINES
    }
    assert long == PUBLIC


def test_no_function_takes_more_than_six_parameters() -> None:
    wide = {
        f"{name_of(path)} {name}"
        for path in modules()
        if not is_kernel(path)
        for name, function in functions(path)
        if n_parameters(function) > PARAMETERS
    }
    assert wide == WIDE


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    assert not {name_of(path) for path in modules() if len(path.read_text("utf-8").splitlines()) > MODULE_LINES}


def test_no_folder_holds_more_than_eighteen_modules() -> None:
    folders = Counter(path.parent for path in modules())
    assert not {name_of(folder) for folder, n_modules in folders.items() if n_modules > MODULES}


def variables(path: Path) -> Iterator[str]:
    """Variables and arguments of a module, without the declared fields of classes: files store those by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    declared = {id(one.target) for body in bodies for one in body if isinstance(one, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in declared:
            yield node.id


def test_variables_are_named_by_their_value_and_not_by_how_it_came() -> None:
    participles = {"told", "said", "found", "held", "seen", "asked"}
    assert [f"{name_of(path)} {name}" for path in modules() for name in variables(path) if name in participles] == []
