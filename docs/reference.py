"""`make docs`: the API reference of `spikecut`, its public names with their docstrings, as pages to read offline.

pdoc writes them (ADR 41). Every warning is an error: a name without a home, an annotation that does not resolve.

$ python docs/reference.py build/docs
"""

import sys
import warnings
from pathlib import Path

import spikecut

INTERNAL = ("models", "moved", "pipeline", "sources", "tools")


def build(target: Path) -> None:
    """Writes the pages into a folder: `index.html`, `spikecut.html`, and the index of the search.

    Raises:
        SystemExit: if pdoc is not installed.
        Warning: whatever pdoc warns of.
    """
    try:
        import pdoc
    except ImportError as error:
        raise SystemExit("error: the package pdoc is not installed\nhint: pip install 'pdoc>=16'") from error
    for name in spikecut.__all__:  # names are loaded when they are first used; pdoc looks at what is loaded
        setattr(spikecut, name, getattr(spikecut, name))
    pdoc.render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc("spikecut", *(f"!spikecut.{name}" for name in INTERNAL), output_directory=target)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs"))
