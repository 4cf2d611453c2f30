"""Pages and tables from the templates of this folder (Jinja2); what goes into HTML is escaped."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_FOLDER = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """A template of `templates/`, filled in. A value that it names and does not get is an error, never a gap."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
