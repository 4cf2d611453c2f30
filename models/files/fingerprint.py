"""The identity of a network without a file of weights: a SHA-256 over all that it computes with.

Norse's neuron parameters are plain attributes, absent from `state_dict`; so the modules themselves are walked.
"""

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_INTERNAL = set(vars(nn.Module())) - {"_parameters", "_buffers", "_modules"}
_KNOWN = ("torch", "norse", "spikecut")


def fingerprint(network: nn.Module, *about: Any) -> str:
    """64 hexadecimal digits: the same for equal networks in every process and on every machine.

    It covers weights, buffers, the attributes of every module (numbers, words, tensors, named tuples such as Norse's
    parameters, functions by name) and the source of classes that are neither torch's nor Norse's: an edited `forward`
    is another network, and so is one with an edited comment. Functions that such a class calls are not looked into.
    """
    digest = hashlib.sha256()
    for part in _parts((network, *about), ()):
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()


def _parts(value: Any, above: tuple[int, ...]) -> Iterator[bytes]:
    """The bytes of a value, piece by piece, each container with its kind and length before it."""
    yield type(value).__qualname__.encode()
    if isinstance(value, Tensor):
        dense = value.detach().to_dense().contiguous().cpu()
        yield f"{dense.dtype} {tuple(dense.shape)}".encode()
        yield dense.reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode() + value.tobytes()
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield repr(value).encode()
    elif isinstance(value, functools.partial):
        yield from _parts((value.func, value.args, value.keywords), above)
    elif inspect.isroutine(value) or inspect.isclass(value):
        yield getattr(value, "__qualname__", "").encode()
    elif id(value) not in above:  # what refers back to its owner ends here
        for name, entry in _entries(value):
            yield name.encode()
            yield from _parts(entry, (*above, id(value)))


def _entries(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(repr(name), entry) for name, entry in value.items()]
    if isinstance(value, list | tuple):
        return [(str(at), entry) for at, entry in enumerate(value)]
    if isinstance(value, set | frozenset):
        return [("", sorted(map(repr, value)))]
    if isinstance(value, nn.Module):
        ours = type(value).__module__.split(".")[0] in _KNOWN
        attributes = {name: entry for name, entry in vars(value).items() if name not in _INTERNAL}
        if ours:  # the private attributes of torch's layers change with its versions
            attributes = {
                name: attributes[name]
                for name in attributes
                if name[0] != "_" or name in ("_parameters", "_buffers", "_modules")
            }
        return [*sorted(attributes.items()), ("source", "" if ours else _source(type(value)))]
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return sorted(getattr(value, "__dict__", {}).items())


def _source(kind: type) -> str:
    """The source text of a class; empty for a class without a file, from a prompt."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""
