"""The result of fuzzing as Markdown, and in docs/reliability.md between its markers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fuzz.expectations import EXPECTED, KINDS_SHOWN
from fuzz.judging import OUTCOMES
from fuzz.supervising import Tally

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"


def rows_of(tallies: Sequence[Tally]) -> dict[str, list[int]]:
    """For every group how many mutants, and how many of each outcome."""
    return {one.group: [one.n, *(one.outcomes[outcome] for outcome in OUTCOMES)] for one in tallies}


def table(rows: Mapping[str, Sequence[int]], seed: int) -> str:
    """Outcomes by kind of file, and the command that makes them."""
    total, findings = sum(row[0] for row in rows.values()), sum(row[-1] for row in rows.values())
    lines = [
        f"`make fuzz SEED={seed}`: {total:,} damaged files, {findings:,} findings.",
        "",
        f"| file | mutants | {' | '.join(OUTCOMES)} |",
        f"|---|{'---:|' * (len(OUTCOMES) + 1)}",
    ]
    lines += [f"| {name} | {' | '.join(f'{n:,}' for n in row)} |" for name, row in sorted(rows.items())]
    return "\n".join(lines)


def rows_in(page: str) -> dict[str, list[int]]:
    """The rows of a table that was written before."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")
    ]
    counts = {name: numbers for name, *numbers in cells if all(one.replace(",", "").isdigit() for one in numbers)}
    return {name: [int(one.replace(",", "")) for one in numbers] for name, numbers in counts.items()}


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
    """Puts both tables between the markers of the page; rows of groups that did not run now stay."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    former, _, after = rest.partition(END)
    rows = rows_in(former) | rows_of(tallies)
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows, seed)}\n\n{unseen()}\n{END}{after}", encoding="utf-8")
