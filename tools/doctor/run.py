"""`spikecut doctor`: does everything work here, and what could be added?"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from spikecut.tools.doctor import installation, self_test
from spikecut.tools.doctor.installation import Finding

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.doctor import Doctor

CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    installation.packages,
    installation.extras,
    installation.windows,
    installation.folders,
    self_test.formats,
    self_test.videos,
    self_test.networks,
    self_test.engines,
    self_test.decided,
)
_MARKS = {"ok": "[green]ok    [/]", "absent": "[yellow]absent[/]", "broken": "[red]BROKEN[/]"}
_BROKEN = 5  # something is missing on this machine


def run_doctor(options: "Doctor") -> int:
    """The command: a line for each finding as it is found; 5 if something is broken."""
    began, findings = time.monotonic(), []
    console = Console(highlight=False, soft_wrap=True, stderr=options.json)
    for finding in _findings():
        findings.append(finding)
        _print(console, finding)
    broken = [one.thing for one in findings if one.state == "broken"]
    seconds = time.monotonic() - began
    if options.json:
        rows = [dataclasses.asdict(one) for one in findings]
        print(json.dumps({"ok": not broken, "seconds": round(seconds, 1), "findings": rows}))
    verdict = f"broken: {', '.join(broken)}" if broken else "all that is needed works"
    console.print(f"{verdict} ({len(findings)} checks in {seconds:.0f} s)", markup=False)
    return _BROKEN if broken else 0


def _findings() -> Iterator[Finding]:
    for check in CHECKS:
        sys.stdout.flush()
        yield from check()


def _print(console: Console, finding: Finding) -> None:
    console.print(_MARKS[finding.state], end=" ")
    console.print(f"{finding.thing:<24} {finding.detail}", markup=False)
    if finding.hint:
        console.print(f"{'hint:':>32} {finding.hint}", markup=False)
