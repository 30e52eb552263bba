"""The report: what was measured, against its target, the raw driver and its bounds."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from benchmarks.measure import Bound, Code, Figure, Places, Values, code_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = [
    "Judgement",
    "Result",
    "baseline",
    "comparison",
    "details",
    "regressions",
    "summary",
    "table",
]

TOLERANCE = 1.5
"""How many times worse than in the baseline a ratio may be."""

MEASURED_WITH = (
    "duckdb",
    "duckdb-sqlalchemy",
    "sqlalchemy",
    "advanced-alchemy",
    "sqlmodel",
    "aiosqlite",
    "psycopg",
    "pyarrow",
    "uvloop",
    "pandas",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one bound: its value in each run, and the median that counts."""

    figure: Figure
    bound: Bound
    place: str
    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)

    @property
    def met(self) -> bool:
        """Whether the median keeps the bound."""
        return self.bound.is_met(self.median)

    @property
    def key(self) -> str:
        """What the bound is called in the baseline."""
        return f"{self.figure.name}: {self.bound.name}"

    @property
    def verdict(self) -> str:
        """Met, or unmet and why."""
        if self.met:
            return "met"
        return f"UNMET: {self.bound.reason or 'the reason is not known'}"


@dataclass(frozen=True, slots=True)
class Result:
    """The whole runs of all figures, and what they were measured with."""

    environment: dict[str, str]
    runs: dict[str, list[Places]]

    def values(self, figure: Figure, place: str, when: str) -> Values:
        """Return the median of each contender over the runs."""
        runs = [run[place].get(when, {}) for run in self.runs[figure.name]]
        return {name: statistics.median(run[name] for run in runs) for name in runs[0]}

    def places(self, figure: Figure) -> list[str]:
        """Return where the figure was measured; the first is the one that is judged."""
        return list(self.runs[figure.name][0])

    def judgements(self, figure: Figure) -> Iterator[Judgement]:
        """Yield what became of each bound of the figure."""
        place = self.places(figure)[0]
        for bound in figure.bounds:
            values = tuple(bound.value(run[place]["hot"]) for run in self.runs[figure.name])
            yield Judgement(figure, bound, place, values)

    def chosen(self, figures: Sequence[Figure]) -> list[Figure]:
        """Return the figures that were measured."""
        return [figure for figure in figures if figure.name in self.runs]

    def write(self, path: Path) -> None:
        """Keep the result as JSON."""
        content = {"environment": self.environment, "runs": self.runs}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Result:
        """Return a result that was kept."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def environment(loop: str) -> dict[str, str]:
    """Return what a figure depends on besides the code."""
    found = {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "loop": loop,
    }
    for name in MEASURED_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def details(result: Result, figure: Figure, shown: set[str]) -> Iterator[str]:
    """Yield the lines about one figure: values everywhere, bounds with all runs, floors.

    The code of a floor that is among ``shown`` is not printed again.
    """
    target = "" if figure.target is None else f"   target {_target(figure)}"
    yield f"{figure.name}: {figure.title}{target}"
    for place in result.places(figure):
        for when, label in (("hot", "hot"), ("idle", "after 10 ms idle")):
            values = result.values(figure, place, when)
            if values:
                listed = "  ".join(f"{name} {_number(value)}" for name, value in values.items())
                yield f"  {place:<16} {label:<17} {listed} {figure.unit}"
    for judged in result.judgements(figure):
        runs = " ".join(_number(run) for run in judged.runs)
        yield (
            f"  {judged.bound.name} {judged.bound.limit_text} on {judged.place}: "
            f"{_number(judged.median)} ({runs})   {judged.verdict}"
        )
    if engine := above_target(result, figure):
        yield f"  {engine}"
    for name in _floors(figure):
        yield from _floor(name, figure.codes[name], shown)


def _floor(contender: str, code: Code, shown: set[str]) -> Iterator[str]:
    name = code.__name__
    if name in shown:
        yield f"  {contender} is {name}, printed above"
        return
    shown.add(name)
    yield f"  {contender} is"
    yield from (f"    {line}".rstrip() for line in code_of(code).splitlines())


def above_target(result: Result, figure: Figure) -> str:
    """Return the sentence that says where the raw driver alone is above the target."""
    if figure.target is None:
        return ""
    above = []
    for place in result.places(figure):
        for when, label in (("hot", "hot"), ("idle", "after 10 ms idle")):
            raw = result.values(figure, place, when).get("raw", 0.0)
            if raw > figure.target:
                above.append(f"{_number(raw)} {figure.unit} ({place}, {label})")
    if not above:
        return ""
    why = f": {figure.note}" if figure.note else ""
    return (
        f"the raw driver alone is above the target of {_target(figure)} at {', '.join(above)}{why}"
    )


def table(result: Result, figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the Markdown table of all figures: target, raw driver, ours, and the bounds."""
    yield "| figure | target | raw driver | ours | bound | median of the runs | |"
    yield "|---|---|---|---|---|---|---|"
    for figure in _apart(result, figures, compares=False):
        start = (
            f"| {figure.title} | {_target(figure) or '-'} | {_cell(result, figure, 'raw')} "
            f"| {_cell(result, figure, 'ours')} |"
        )
        judged = list(result.judgements(figure))
        if not judged:
            yield f"{start} - | - | |"
        for judgement in judged:
            runs = ", ".join(_number(run) for run in judgement.runs)
            yield (
                f"{start} {judgement.bound.name} {judgement.bound.limit_text} on {judgement.place} "
                f"| {_number(judgement.median)} ({runs}) | {judgement.verdict} |"
            )
            start = "| | | | |"


def comparison(result: Result, figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the Markdown table of the figures that only compare: a column for each contender."""
    chosen = _apart(result, figures, compares=True)
    if not chosen:
        return
    names = list(chosen[0].codes)
    yield f"| on a file | {' | '.join(names)} |"
    yield f"|---|{'---|' * len(names)}"
    for figure in chosen:
        values = result.values(figure, result.places(figure)[0], "hot")
        cells = (
            f"{_number(values[name])} {figure.unit}" if name in values else "-" for name in names
        )
        yield f"| {figure.title} | {' | '.join(cells)} |"


def _apart(result: Result, figures: Sequence[Figure], *, compares: bool) -> list[Figure]:
    return [figure for figure in result.chosen(figures) if figure.compares is compares]


def summary(result: Result, figures: Sequence[Figure]) -> str:
    """Return how many bounds are met, and which are not."""
    judged = [j for figure in result.chosen(figures) for j in result.judgements(figure)]
    unmet = [j.key for j in judged if not j.met]
    text = f"{len(judged) - len(unmet)} of {len(judged)} bounds met"
    return f"{text}; unmet: {', '.join(unmet)}" if unmet else text


def baseline(result: Result, figures: Sequence[Figure]) -> dict[str, float]:
    """Return the ratios of a result, to compare later ones with: no milliseconds."""
    return {
        judged.key: round(judged.median, 3)
        for figure in result.chosen(figures)
        for judged in result.judgements(figure)
        if judged.bound.floor is not None
    }


def regressions(
    result: Result, figures: Sequence[Figure], known: dict[str, float]
) -> Iterator[str]:
    """Yield the ratios that are worse than in the baseline by more than a half."""
    for figure in result.chosen(figures):
        for judged in result.judgements(figure):
            before = known.get(judged.key)
            if before is None:
                continue
            worse = before / judged.median if judged.bound.at_least else judged.median / before
            if worse > TOLERANCE:
                yield f"{judged.key} was {_number(before)} and is {_number(judged.median)}"


def _floors(figure: Figure) -> list[str]:
    floors = [bound.floor or "ours" for bound in figure.bounds]
    floors += [bound.beyond for bound in figure.bounds if bound.beyond]
    has_raw = "raw" in figure.codes and not figure.compares
    return list(dict.fromkeys(floors or (["raw"] if has_raw else figure.codes)))


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return (
        f"{figure.target:g} {figure.unit}"
        if not figure.target
        else f"< {figure.target:g} {figure.unit}"
    )


def _cell(result: Result, figure: Figure, contender: str) -> str:
    """Return the values of one contender: hot / idle in each place, the judged one first."""
    parts = []
    for place in result.places(figure):
        hot = result.values(figure, place, "hot").get(contender)
        idle = result.values(figure, place, "idle").get(contender)
        if hot is not None and "," not in place:
            after = "" if idle is None else f" / {_number(idle)}"
            parts.append(f"{place} {_number(hot)}{after}")
    return "; ".join(parts) + f" {figure.unit}" if parts else "-"


def _number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f}" if value else "0"
