"""Truths about the names that `import spikecut` gives: listed in one way everywhere, explained, and light to import."""

import ast
import doctest
import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import spikecut

SOURCE = Path(spikecut.__file__).read_text(encoding="utf-8")
HOMES = {
    entry.partition("=")[0]: (home, entry.partition("=")[2] or entry)
    for home, names in spikecut._HOMES.items()
    for entry in names.split()
}
FUNCTIONS = [name for name in HOMES if inspect.isroutine(getattr(spikecut, name))]


def imported_for_types() -> dict[str, tuple[str, str]]:
    """The public names that type checkers see, with their homes."""
    tree = ast.parse(SOURCE)
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {one.asname or one.name: (str(node.module), one.name) for node in imports for one in node.names}


def test_a_name_is_listed_has_a_home_and_has_a_type_or_none_of_these() -> None:
    assert imported_for_types() == HOMES
    assert sorted(spikecut.__all__) == sorted([*HOMES, "__version__"])


def test_the_help_of_the_package_groups_all_names() -> None:
    words = set(pydoc.plain(str(spikecut.__doc__)).replace("`", " ").replace(",", " ").replace(":", " ").split())
    assert [name for name in spikecut.__all__ if name not in words] == []
    rendered = pydoc.plain(pydoc.render_doc(spikecut))
    assert [name for name in HOMES if name not in rendered] == []


def test_the_example_in_the_help_of_the_package_runs() -> None:
    failed, attempted = doctest.testmod(spikecut)
    assert failed == 0
    assert attempted > 4


def test_public_functions_say_what_they_do_and_show_it() -> None:
    assert [name for name in FUNCTIONS if ">>> " not in str(inspect.getdoc(getattr(spikecut, name)))] == []


def test_listing_the_names_loads_nothing() -> None:
    code = (
        "import sys, spikecut\n"
        "assert set(spikecut.__all__) <= set(dir(spikecut))\n"
        "heavy = {'numpy', 'torch', 'numba', 'cv2', 'spikecut.pipeline', 'spikecut.tools'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
