"""Measures for Prometheus: ``pip install 'axai-pg[prometheus]'``."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import MissingExtra
from axai_pg.data.metrics.families import families
from axai_pg.data.metrics.recorder import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

    from axai_pg.data.metrics.collector import Metrics
    from axai_pg.data.metrics.families import Family

__all__ = ["prometheus_registry"]


def prometheus_registry(metrics: Metrics) -> CollectorRegistry:
    """Return a registry of its own that has the measures of ``metrics``, as they are when read.

    ``prometheus_client.generate_latest(registry)`` is the text that Prometheus asks for.

    Raises:
        MissingExtra: the client of Prometheus is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry
    except ImportError as error:
        raise MissingExtra(
            "the client of Prometheus is not installed: pip install 'axai-pg[prometheus]'"
        ) from error
    registry = CollectorRegistry()
    registry.register(_Collector(metrics))
    return registry


class _Collector:
    """Reads the measures when it is asked."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        """Yield the families of Prometheus."""
        for family in families(self._metrics.snapshot()):
            yield _family(family)


def _family(family: Family) -> Any:
    from prometheus_client import core

    kinds: dict[str, Any] = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }
    found = kinds[family.kind](family.name, family.help, labels=family.labels)
    for sample in family.samples:
        if sample.measure is None:
            found.add_metric(sample.labels, sample.value)
        else:
            bounds = [*map(str, BOUNDS), "+Inf"]
            counted = zip(bounds, accumulate(sample.measure.buckets), strict=True)
            found.add_metric(sample.labels, list(counted), sample.value)
    return found
