"""Measures and spans for OpenTelemetry: ``pip install 'axai-pg[opentelemetry]'``."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from andamios_orm.core.telemetry import trace_statements
from andamios_orm.exceptions import MissingExtra
from axai_pg.data.metrics.families import families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axai_pg.data.metrics.collector import Metrics
    from axai_pg.data.metrics.families import Family

__all__ = ["export_metrics", "trace_manager"]


def export_metrics(metrics: Metrics, *, meter_provider: Any = None) -> None:
    """Let OpenTelemetry observe the measures of ``metrics``, as they are when it reads.

    Times are two counters each: how many there were, and their seconds.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.metrics import get_meter
    except ImportError as error:
        raise MissingExtra(
            "OpenTelemetry is not installed: pip install 'axai-pg[opentelemetry]'"
        ) from error
    meter = get_meter("axai_pg", meter_provider=meter_provider)
    reading = _Reading(metrics)
    for family in families(metrics.snapshot()):
        observe = partial(_observed, reading, family.name)
        if family.kind == "gauge":
            meter.create_observable_gauge(family.name, [observe()], description=family.help)
        else:
            meter.create_observable_counter(family.name, [observe()], description=family.help)
        if family.kind == "histogram":
            name = family.name.replace("_seconds", "_count")
            meter.create_observable_counter(name, [observe(counted=True)])


def trace_manager(metrics: Metrics, *, tracer_provider: Any = None) -> Callable[[], None]:
    """Make a span of every statement that ``metrics`` sees; return the function that ends it.

    A span has the first word of the statement, its time and its error, and never its text.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    ends = [
        trace_statements(observer, tracer_provider=tracer_provider, with_text=False)
        for observer in metrics.observers
    ]

    def end() -> None:
        for each in ends:
            each()

    return end


class _Reading:
    """The families of one snapshot, for all instruments that are asked at a time.

    OpenTelemetry asks one instrument after the other: one that is asked again begins the next
    reading.
    """

    def __init__(self, metrics: Metrics) -> None:
        """Begin with the first question."""
        self._metrics = metrics
        self._families: dict[str, Family] = {}
        self._asked: set[tuple[str, bool]] = set()
        self._lock = Lock()

    def family(self, name: str, *, counted: bool) -> Family:
        """Return a family, for one instrument of it; there are always the same."""
        with self._lock:
            if not self._families or (name, counted) in self._asked:
                self._families = {each.name: each for each in families(self._metrics.snapshot())}
                self._asked.clear()
            self._asked.add((name, counted))
            return self._families[name]


def _observed(reading: _Reading, name: str, *, counted: bool = False) -> Callable[..., Any]:
    """Return what tells OpenTelemetry the numbers of a family."""

    def observe(_options: object) -> Iterator[Any]:
        from opentelemetry.metrics import Observation

        family = reading.family(name, counted=counted)
        for sample in family.samples:
            value = sample.measure.count if counted and sample.measure else sample.value
            yield Observation(value, dict(zip(family.labels, sample.labels, strict=True)))

    return observe
