"""The result of fuzzing as Markdown, and in docs/reliability.md between its markers."""

from collections.abc import Sequence
from pathlib import Path

from fuzz.expectations import EXPECTED, KINDS_SHOWN
from fuzz.judging import OUTCOMES
from fuzz.supervising import Tally

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"


def table(tallies: Sequence[Tally], seed: int) -> str:
    """Outcomes by kind of file, and the command that makes them."""
    total = sum(one.n for one in tallies)
    findings = sum(one.outcomes["finding"] for one in tallies)
    lines = [
        f"`make fuzz N={total} SEED={seed}`: {total:,} damaged files, {findings:,} findings.",
        "",
        f"| file | mutants | {' | '.join(OUTCOMES)} |",
        f"|---|{'---:|' * (len(OUTCOMES) + 1)}",
    ]
    for one in sorted(tallies, key=lambda tally: tally.group):
        counts = " | ".join(f"{one.outcomes[outcome]:,}" for outcome in OUTCOMES)
        lines.append(f"| {one.group} | {one.n:,} | {counts} |")
    return "\n".join(lines)


def unseen() -> str:
    """What no reader can see, by format and kind of fault, as it was written down beforehand."""
    lines = ["| format | faults | must be reported | what cannot be seen |", "|---|---|---|---|"]
    for name, rules in EXPECTED.items():
        for rule in dict.fromkeys(rules.values()):
            kinds = ", ".join(kind for kind, one in rules.items() if one == rule)
            shown = KINDS_SHOWN[rule.shows].format(record=rule.record)
            lines.append(f"| {name} | {kinds} | {shown} | {rule.reason or '-'} |")
    return "\n".join(lines)


def write(tallies: Sequence[Tally], seed: int) -> None:
    """Puts both tables between the markers of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(tallies, seed)}\n\n{unseen()}\n{END}{after}", encoding="utf-8")
