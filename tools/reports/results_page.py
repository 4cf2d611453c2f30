"""The page of `spikecut results`: a summary, then for each method short tables, with the full ones folded."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.tools.reports.rendering import render
from spikecut.tools.reports.results_file import Comparison, Cost, Difference, Made, Method, RecipeResults, RuleRow

SHORT = 8  # rows: a longer table is folded, and the rows that matter stand before it
_MATTER = ("ltt", "ltt_fixed", "fixed", "confidence")  # the promises, the constants, the plainest threshold
_MADE = ("n", "seeds", "trained", "on", "commit")
_UNKNOWN = "not stated"


def printed(results: RecipeResults, command: str) -> str:
    """The page, in Markdown."""
    compared = {name for one in results.comparisons for name in one.others}
    return render(
        "results.md",
        command=command,
        summary=_table(_SUMMARY, [_summary(one) for one in results.methods if one.label not in compared]),
        methods=[_method(one) for one in results.methods],
        paired=[_paired(one) for one in results.comparisons],
    )


_SUMMARY = ("set", "rule", "promise", "full window", "loss", "mean steps", "x full", "x fixed", "x constant", *_MADE)


def _summary(method: Method) -> list[str]:
    """A set in one line: its loosest promise; without one its loosest threshold."""
    promised = [row for row in method.rules if _family(row.rule) == "ltt"]
    rules = promised or [row for row in method.rules if _family(row.rule) == "confidence"] or [*method.rules]
    full = _percent(method.full_window)
    if not rules:
        return [_named(method), "", "none", full, "", "", "", "", "", *_made(method.made)]
    row = rules[-1]
    constant = next((_plain(one.x, ".2f") for one in method.promised if one.rule == row.rule), "")
    return [
        _named(method),
        row.rule,
        f"at most {row.rule.rpartition('-')[2].removesuffix('pt')} % turned wrong" if promised else "none",
        full,
        _points(row.loss),
        f"{row.steps.value:{_form(method)}} of {method.steps}",
        _plain(row.x_full, ".2f"),
        _plain(row.x_fixed, ".2f") if row.x_fixed else "",
        constant,
        *_made(method.made),
    ]


def _method(method: Method) -> dict[str, Any]:
    """The values of the template for one method."""
    n, made = method.made.n, method.made
    subjects = f" of {method.n_subjects} subjects" if method.n_subjects else ""
    seeds = f"{'seed' if len(made.seeds) == 1 else 'seeds'} {', '.join(map(str, made.seeds))}"
    length = "" if method.step_ms is None else f" of {method.step_ms:g} ms"
    trained = "" if made.seconds is None else f"{_duration(made.seconds, ' seconds', ' minutes')} "
    spread = "" if len(made.seeds) == 1 else f"; seeds {_range(method.of_seeds, 100, '.1f')}"
    return {
        "name": _named(method),
        "title": method.title,
        "data": method.data,
        "simulated": method.simulated,
        "about": f"n = {n}{subjects} ({method.part} part), {seeds}; {method.parameters:,} parameters; {method.steps} "
        f"steps{length}; trained {trained}on {made.machine or 'an unnamed machine'}.",
        "taken_from": method.taken_from,
        "full_window": f"Full window: **{_percent(method.full_window)}**{spread}.",
        "ann": method.ann
        and f"The ANN of {method.levels} levels that it was converted from: "
        f"{_range(method.ann, 100, '.1f')} % of the same recordings.",
        "published": method.published,
        "curve": _curve(method),
        "rules": _folded(_RULES, [_rule(row, method) for row in method.rules], made, "rules"),
        "promised": [(one.rule, f"{one.constant:.3g}", _plain(one.x, ".2f")) for one in method.promised],
        "planned": [(one.rule, _points(one.gain)) for one in method.planned],
        "cost": _cost(method.cost) if method.cost else None,
    }


def _curve(method: Method) -> list[str]:
    ms = method.step_ms
    marks = [f"{one.steps}" if ms is None else f"{one.steps} ({one.steps * ms:g} ms)" for one in method.curve]
    rows = [["right", *(f"{100 * one.right:.1f} %" for one in method.curve)]]
    if all(one.low is not None for one in method.curve):
        rows.append(
            ["interval", *(f"{100 * (one.low or 0):.1f} to {100 * (one.high or 0):.1f}" for one in method.curve)]
        )
    return _table(("everybody stopped after", *marks), rows)


_RULES = ("rule", "right", "loss", "mean steps", "x full", "fixed", "x fixed")


def _rule(row: RuleRow, method: Method) -> list[str]:
    return [
        row.rule,
        _percent(row.right),
        _points(row.loss),
        _plain(row.steps, _form(method)) + (f" + {row.policy:.2f} for the policy" if row.policy else ""),
        _plain(row.x_full, ".2f"),
        "" if row.fixed is None else f"{row.fixed:.3g}",
        "" if row.x_fixed is None else _plain(row.x_fixed, ".2f"),
    ]


_COSTS = ("rule", "steps", "ms", "x time", "additions", "multiplications", "x operations")


def _cost(cost: Cost) -> dict[str, Any]:
    forms = (".1f", ".1f", ".2f", ".2f", ".2f", ".2f")
    rows = []
    for one in cost.rules:
        values = (one.steps, one.ms, one.x_time, one.additions_m, one.multiplications_m, one.x_operations)
        figures = [f"{value:{form}}" for value, form in zip(values, forms, strict=True)]
        rows.append(["full window" if one.rule == "none" else one.rule, *figures])
    return {
        "n": cost.made.n,
        "several_seeds": len(cost.made.seeds) > 1,
        "machine": cost.made.machine,
        "dense": f"{cost.dense_m_per_step:.2f}",
        "tables": _folded(_COSTS, rows, cost.made, "rules"),
    }


def _paired(one: Comparison) -> dict[str, Any]:
    accuracy = _differences(one.accuracy, "", _points)
    steps = _differences(one.steps, "steps of ", lambda figure: _plain(figure, "+.2f"))
    return {
        "title": " against ".join((one.base, *one.others)) + (", simulated" if one.simulated else ""),
        "base": one.base,
        "n": one.made.n,
        "taken_from": one.taken_from,
        "tables": _folded(("", *one.others), [*accuracy, *steps], one.made, "rows"),
        "lone": one.lone,
    }


def _differences(rows: Iterable[Difference], of: str, shown: Callable[[Estimate], str]) -> list[list[str]]:
    return [[f"{of}{row.of}", *map(shown, row.differences)] for row in rows]


def _folded(header: Sequence[str], rows: Sequence[list[str]], made: Made, what: str) -> dict[str, Any]:
    """The table, or of a long one the rows that matter and below them, folded, all."""
    header, every = (*header, *_MADE), [[*row, *_made(made)] for row in rows]
    short = [row for row in every if _matters(row[0])]
    if len(every) <= SHORT or not short:
        return {"short": _table(header, every), "full": None}
    return {"short": _table(header, short), "full": _table(header, every), "fold": f"All {len(every)} {what}"}


def _matters(name: str) -> bool:
    """Whether a row is one of the short table; a row without a rule is, unless it is some constant (`7 steps`)."""
    rule = name.removeprefix("steps of ")
    return _family(rule) in _MATTER if "-" in rule else not name[:1].isdigit()


def _family(rule: str) -> str:
    return rule.rpartition("-")[0]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(header), "|---" * len(header) + "|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _made(made: Made) -> list[str]:
    """How a row came about: the last columns of every table. A machine is shortened to its processor."""
    trained = _duration(made.seconds, " s", " min") if made.seconds else _UNKNOWN
    machines = dict.fromkeys(one.partition(",")[0] for one in made.machine.split("; "))
    commit = " ".join(filter(None, (made.commit or _UNKNOWN, made.date and f"({made.date})")))
    return [f"{made.n}", ", ".join(map(str, made.seeds)), trained, ", ".join(machines) or _UNKNOWN, commit]


def _named(method: Method) -> str:
    return f"{method.label}, simulated" if method.simulated else method.label


def _form(method: Method) -> str:
    """Steps before a picture are few: two digits."""
    return ".2f" if method.step_ms is None else ".1f"


def _duration(seconds: tuple[float, float], second: str, minute: str) -> str:
    """The duration of all trainings that led to the network: in seconds below two minutes."""
    return _range(seconds, 1, ".0f") + second if seconds[1] < 120 else _range(seconds, 1 / 60, ".0f") + minute


def _range(ends: tuple[float, float], times: float, form: str) -> str:
    """Least to most; once, if both are printed alike."""
    low, high = (f"{times * one:{form}}" for one in ends)
    return low if low == high else f"{low} to {high}"


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _points(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _plain(one: Estimate, form: str) -> str:
    return f"{one.value:{form}} ({one.low:{form}} to {one.high:{form}})"
