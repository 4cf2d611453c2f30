"""The line that says on what a benchmark ran."""

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def machine(packages: Sequence[str] = ("numpy", "numba", "torch", "norse")) -> str:
    """Processor, Python and the versions of packages, for one thread."""
    names = [f"{name} {_version(name)}" for name in packages]
    return f"{_processor()}, one thread, Python {platform.python_version()}, {', '.join(names)}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    """The processor's name, where Linux states it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
