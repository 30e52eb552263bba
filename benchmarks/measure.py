"""How things are timed: contenders in turns, medians, the garbage collector off."""

from __future__ import annotations

import asyncio
import gc
import inspect
import random
import statistics
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = [
    "Bound",
    "Code",
    "Figure",
    "Places",
    "Scale",
    "Values",
    "code_of",
    "interleaved",
    "keys",
    "measured",
    "milliseconds",
]

Code = Callable[..., object]
"""A function whose source is printed beside the figure that it is the floor of."""

Values = dict[str, float]
"""A value for each contender."""

Places = dict[str, dict[str, Values]]
"""For each place (memory, file), the values ``hot`` and after 10 ms ``idle``."""

Call = Callable[[], Awaitable[object] | object]

IDLE = 0.01
"""Seconds of rest before a call that is timed as idle."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; with ``idle=0`` nothing is measured after a rest."""

    runs: int
    rounds: int
    block: int
    idle: int
    rows: int
    bulk_rows: int
    seconds: float
    projects: int
    documents: int


FULL = Scale(
    runs=5,
    rounds=15,
    block=20,
    idle=30,
    rows=100_000,
    bulk_rows=10_000,
    seconds=1.0,
    projects=1_000_000,
    documents=1_000_000,
)
QUICK = Scale(
    runs=1,
    rounds=2,
    block=5,
    idle=3,
    rows=2_000,
    bulk_rows=1_000,
    seconds=0.1,
    projects=500,
    documents=2_000,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure has to keep: ours divided by ``floor``, or without one ours itself.

    With ``at_least`` it is the floor divided by ours that has to reach the limit. With
    ``beyond`` it is only what ours takes beyond that contender.
    ``reason`` says why the bound is not met, where that is known.
    """

    limit: float
    floor: str | None = None
    at_least: bool = False
    reason: str = ""
    beyond: str | None = None

    def value(self, values: Values) -> float:
        """Return what is judged, from the values of one run."""
        ours = values["ours"] - (values[self.beyond] if self.beyond else 0.0)
        if self.floor is None:
            return ours
        floor = values[self.floor]
        return floor / ours if self.at_least else ours / floor

    def is_met(self, value: float) -> bool:
        """Whether ``value`` keeps the bound."""
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def name(self) -> str:
        """What is judged, in words."""
        if self.floor is None:
            return "ours"
        if self.beyond:
            return f"(ours - {self.beyond}) / {self.floor}"
        return f"{self.floor} / ours" if self.at_least else f"ours / {self.floor}"

    @property
    def limit_text(self) -> str:
        """The limit with its direction."""
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{'x' if self.floor else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report: its target, its bounds, and the code that is compared.

    ``codes`` has a function for each contender; ``target`` is in ``unit``. One that only
    ``compares`` stands in a table of its own, with a column for each contender.
    """

    name: str
    title: str
    codes: Mapping[str, Code]
    bounds: tuple[Bound, ...] = ()
    target: float | None = None
    unit: str = "ms"
    note: str = ""
    compares: bool = False


async def interleaved(
    contenders: Mapping[str, Call], *, rounds: int, block: int, rest: float = 0.0
) -> Values:
    """Return the median seconds of one call of each contender, which take turns in blocks.

    With ``rest`` the loop sleeps that long before every call.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    with garbage_left_alone():
        for _ in range(rounds):
            for name, call in contenders.items():
                for _ in range(block):
                    if rest:
                        await asyncio.sleep(rest)
                    samples[name].append(await _timed(call))
    return {name: statistics.median(found) for name, found in samples.items()}


async def _timed(call: Call) -> float:
    started = time.perf_counter()
    outcome = call()
    if inspect.isawaitable(outcome):
        await outcome
    return time.perf_counter() - started


async def measured(
    contenders: Mapping[str, Call], scale: Scale, *, warm: bool = True
) -> dict[str, Values]:
    """Return the milliseconds of each contender, hot and after a rest.

    With ``warm`` each is called once before, because a first call is another figure.
    """
    for call in contenders.values() if warm else ():
        await _timed(call)
    hot = await interleaved(contenders, rounds=scale.rounds, block=scale.block)
    if not scale.idle:
        return {"hot": milliseconds(hot)}
    idle = await interleaved(contenders, rounds=scale.idle, block=1, rest=IDLE)
    return {"hot": milliseconds(hot), "idle": milliseconds(idle)}


def milliseconds(values: Values) -> Values:
    """Return seconds as milliseconds."""
    return {name: value * 1000 for name, value in values.items()}


@contextmanager
def garbage_left_alone() -> Iterator[None]:
    """Collect the garbage, then none until the end of the block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keys(rows: int) -> Iterator[int]:
    """Yield keys of existing rows for ever, in the same random order for every contender."""
    order = random.Random(1)
    while True:
        yield order.randrange(rows)


def code_of(function: Code) -> str:
    """Return the source of ``function``, without its docstring."""
    lines, _ = inspect.getsourcelines(function)
    text = textwrap.dedent("".join(lines))
    if function.__doc__:
        head, _, rest = text.partition('    """')
        text = head + rest.partition('"""\n')[2]
    return text.strip()
