"""Networks by their names: shipped ones, files of weights, and Python files that make one."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spikecut.models.architectures.networks import build, plain
from spikecut.models.card import ModelCard
from spikecut.models.engines import engine_called
from spikecut.models.files.checkpoint import read_card, read_weights
from spikecut.models.files.network_file import load_file
from spikecut.models.files.weights_io import check_shapes
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError, ModelError, in_a_line
from spikecut.pipeline.files.arguments import check_path
from spikecut.pipeline.files.strict import closest
from spikecut.pipeline.protocols import SteppedModel

_LARGE = 250_000_000
SHIPPED = Path(__file__).parent.parent / "weights"


def load(model: str | Path, *, engine: str = "auto") -> tuple[SteppedModel[Any], ModelCard]:
    """A network ready to be stepped: a shipped one by its name, any other by the path of its weights.

    `nets.py`, or `nets.py:small`, is a file that makes it with `from_norse`: this one is executed. `engine` is a name
    of `engines.ENGINES`.

    Raises:
        ModelError: if there is none, or weights and card do not belong together.
        ConfigError: if there is no such engine, or it cannot step a network from a Python file.

    >>> import numpy as np
    >>> network, card = load("nmnist")
    >>> card.classes[:3], card.horizon, card.spec.step_us, str(card.sensor)
    (('0', '1', '2'), 30, 10000, '34x34')
    >>> output, state = network.step(np.zeros((1, 2, 34, 34), np.uint8), None)  # None is the state at rest
    >>> output.shape
    (1, 10)
    """
    check_path(model, "a network, or its name,")
    weights, make = locate(model), engine_called(engine).make
    if weights.suffix != ".safetensors":
        if engine not in ("auto", "norse"):
            raise ConfigError(f"{weights}: engine {engine!r}; networks of Python files are stepped by 'norse'")
        return load_file(*_python_file(weights))
    network, card = _built(weights)
    stepper: Any = make(network, card.spec)
    stepper.spec, stepper.card, stepper.weights = card.spec, card, weights  # what it reads, for `frames_of`
    return stepper, card


def load_module(model: str | Path) -> tuple[nn.Module, ModelCard]:
    """The trained module of a network with a file of weights, its weights plain; see `load`.

    Raises:
        ModelError: if there is none, or it has no file of weights, or weights and card do not belong together.
    """
    check_path(model, "a network, or its name,")
    weights = locate(model)
    if weights.suffix != ".safetensors":
        raise ModelError(
            f"{weights}: a network of a Python file; expected one with a file of weights",
            hint="torch.onnx.export exports a module of your own",
        )
    return _built(weights)


def _built(weights: Path) -> tuple[nn.Module, ModelCard]:
    card = read_card(weights.with_suffix(".json"))
    tensors = read_weights(weights, card)
    try:
        if _may_be_large(card.spec):  # no memory is taken for what a card alone declares
            with torch.device("meta"):
                check_shapes(plain(build(card.spec)).state_dict(), tensors, weights)
        network = plain(build(card.spec))
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{weights}: the weights do not fit the card: {in_a_line(error)}") from error
    return network, card


def _may_be_large(spec: NetworkSpec) -> bool:
    """Whether the numbers of a spec allow more weights than a gigabyte or so; the meta device takes seconds to load."""
    widths = (spec.inputs, *spec.channels, spec.n_classes)
    kernels = 25 * sum(one * other for one, other in pairwise(widths))
    return kernels + spec.frame.width * spec.frame.height * max(widths[:-1]) * spec.n_classes > _LARGE


def named(network: Any) -> str | Path:
    """The name or path of a network: itself, or that of the file of weights of one that `load` has opened.

    Raises:
        ConfigError: if it has no file of weights.
    """
    if isinstance(network, str | Path):
        return network
    weights = getattr(network, "weights", None)
    if not isinstance(weights, Path):
        raise ConfigError(
            f"a {type(network).__name__} without a file of weights; expected a network of `load_network`, its name, or "
            "the path of its weights"
        )
    return weights


def card_of(weights: Path) -> ModelCard:
    """The card of a network that was located; see `load`."""
    return read_card(weights.with_suffix(".json")) if weights.suffix == ".safetensors" else load(weights)[1]


def locate(model: str | Path) -> Path:
    """The weights' file for a shipped name or a path (with or without its suffix); a Python file as it was named."""
    shipped = sorted(path.stem for path in SHIPPED.glob("*.safetensors"))
    if str(model) in shipped:
        return SHIPPED / f"{model}.safetensors"
    path = Path(model)
    for candidate in (path, path.with_name(path.name + ".safetensors")):
        if candidate.suffix == ".safetensors" and candidate.is_file():
            return candidate
    file, _ = _python_file(path)
    if file.suffix == ".py" and file.is_file():
        return path
    named = {name: name for name in shipped}
    named |= {name: str(file) for file in path.parent.glob("*.safetensors") for name in (file.name, file.stem)}
    near = closest(path.name, named)
    raise ModelError(
        f"no network {str(model)!r}",
        hint=f"did you mean {named[near]!r}?"
        if near
        else "give the path of a .safetensors file, that of a .py that makes one with spikecut.from_norse, or a "
        f"shipped one: {', '.join(shipped) or 'none'}",
    )


def _python_file(path: Path) -> tuple[Path, str]:
    """`nets.py:small` is the network `small` of the file `nets.py`."""
    stem, named, wanted = path.name.partition(".py:")
    return (path.with_name(f"{stem}.py"), wanted) if named else (path, "")
