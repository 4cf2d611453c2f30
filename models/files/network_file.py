"""A network in a Python file that its user names: `nets.py`, or `nets.py:small` where it makes several.

The file is executed, as `python nets.py` would (its `__name__` is another, so what stands under
`if __name__ == "__main__"` is left alone). Nothing else that spikecut reads is ever executed.
"""

import contextlib
import dataclasses
import sys
import traceback
from pathlib import Path
from types import ModuleType

from spikecut.models.card import ModelCard
from spikecut.models.files.norse_network import UNNAMED, NorseNetwork
from spikecut.pipeline.errors import ModelError, SpikecutError

_HINT = "the file makes one with: network = spikecut.from_norse(net, classes=..., step_us=..., sensor=...)"


def load_file(path: Path, wanted: str = "") -> tuple[NorseNetwork, ModelCard]:
    """Executes the file and takes from it the network called `wanted`, or else the only one.

    Whatever it prints goes to stderr, since results are what belongs on stdout. It may import its neighbours.

    Raises:
        ModelError: if it fails, naming its line; if it holds no such network, or several and none was named.
    """
    values = vars(_executed(path))
    networks = {name: value for name, value in values.items() if isinstance(value, NorseNetwork)}
    known = ", ".join(networks) or "none"
    if wanted and wanted not in values:
        raise ModelError(f"{path} makes no network {wanted!r}; there are: {known}", hint=_HINT)
    if wanted and wanted not in networks:
        kind = type(values[wanted]).__name__
        raise ModelError(f"{path}: {wanted!r} is a {kind}; expected what spikecut.from_norse returns", hint=_HINT)
    if not networks:
        raise ModelError(f"{path} makes no network", hint=_HINT)
    if not wanted and len(set(map(id, networks.values()))) > 1:
        raise ModelError(f"{path} makes several networks: {known}", hint=f"name one: {path}:{next(iter(networks))}")
    network = networks[wanted] if wanted else next(iter(networks.values()))
    network.opened_by = (_opened_again, (path.resolve(), wanted, network.card.weights_sha256))
    card = network.card
    if card.name == UNNAMED:
        card = dataclasses.replace(card, name=f"{path.stem}.{wanted}" if wanted else path.stem)
    return network, card


def _opened_again(path: Path, wanted: str, sha256: str) -> NorseNetwork:
    """The network that another process had from this file.

    Raises:
        ModelError: if the file makes another one now, because it has changed or draws weights anew.
    """
    network, _ = load_file(path, wanted)
    if network.card.weights_sha256 != sha256:
        raise ModelError(
            f"{path}: makes network {network.card.weights_sha256[:12]} in this process, {sha256[:12]} in the other",
            hint="the file must make the same network each time: load its weights, or seed what draws them",
        )
    return network


def _executed(path: Path) -> ModuleType:
    """The module that the file makes, read anew each time: no cached bytecode, which may be a second too old."""
    name = f"spikecut_network_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path.resolve())
    sys.modules[name] = module  # where Python looks for the source of the file's classes
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(path.read_bytes(), module.__file__, "exec"), module.__dict__)
    except SpikecutError as error:
        raise ModelError(f"{_place(path, module, error)}: {error}", hint=error.hint) from error
    except (Exception, SystemExit) as error:
        what = str(error).splitlines()[0] if str(error) else "no message"
        raise ModelError(f"{_place(path, module, error)}: {type(error).__name__}: {what}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return module


def _place(path: Path, module: ModuleType, error: BaseException) -> str:
    """The file, and its last line that Python was at."""
    if isinstance(error, SyntaxError) and error.filename == module.__file__:
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == module.__file__]
    return f"{path}, line {lines[-1]}" if lines else str(path)
