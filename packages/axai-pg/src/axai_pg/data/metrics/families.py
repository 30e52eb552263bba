"""Measures as what is exported: families of numbers, with labels from a fixed list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axai_pg.data.metrics.collector import MetricsSnapshot
    from axai_pg.data.metrics.recorder import Measure

__all__ = ["LABELS", "Family", "Sample", "families"]

LABELS: Final = frozenset({"operation", "statement", "outcome", "error", "result"})
"""All labels that there are."""

_READS: Final = ("hits", "misses", "stale", "bypassed", "evicted", "oversized")


@dataclass(frozen=True, slots=True)
class Sample:
    """A number, or a measure, and the values of the family's labels."""

    labels: tuple[str, ...]
    value: float
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name."""

    name: str
    help: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    samples: list[Sample] = field(default_factory=list)


def families(snapshot: MetricsSnapshot) -> Iterator[Family]:
    """Yield all that is exported of a snapshot."""
    for subject, label, measures in (
        ("operation", "operation", snapshot.operations),
        ("statement", "statement", snapshot.statements),
        ("transaction", "outcome", snapshot.transactions),
    ):
        yield from _measured(subject, label, measures)
    yield _number("axai_slow_statements", "Slow statements.", snapshot.slow_statements)
    yield _number("axai_slow_transactions", "Slow transactions.", snapshot.slow_transactions)
    if snapshot.cache is not None:
        cache = snapshot.cache
        counts = [Sample((name,), getattr(cache, name)) for name in _READS]
        yield Family("axai_cache_results", "What the cache did.", "counter", ("result",), counts)
        yield _number("axai_cache_entries", "Answers in the cache.", cache.entries, "gauge")
        yield _number("axai_cache_bytes", "Bytes of answers in the cache.", cache.size, "gauge")


def _measured(subject: str, label: str, measures: Mapping[str, Measure]) -> Iterator[Family]:
    times = [Sample((name,), each.seconds, each) for name, each in measures.items()]
    failed = [
        Sample((name, error), count)
        for name, each in measures.items()
        for error, count in each.errors.items()
    ]
    yield Family(
        f"axai_{subject}_seconds", f"Seconds of each {subject}.", "histogram", (label,), times
    )
    yield Family(
        f"axai_{subject}_errors", f"Errors of a {subject}.", "counter", (label, "error"), failed
    )


def _number(
    name: str, text: str, value: float, kind: Literal["counter", "gauge"] = "counter"
) -> Family:
    return Family(name, text, kind, (), [Sample((), value)])
