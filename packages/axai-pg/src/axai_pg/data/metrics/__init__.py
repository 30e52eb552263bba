"""What is measured of a database, and never whose it was."""

from __future__ import annotations

from axai_pg.data.metrics.collector import Metrics, MetricsSnapshot, track_metrics
from axai_pg.data.metrics.opentelemetry import export_metrics, trace_manager
from axai_pg.data.metrics.prometheus import prometheus_registry
from axai_pg.data.metrics.recorder import Measure

__all__ = [
    "Measure",
    "Metrics",
    "MetricsSnapshot",
    "export_metrics",
    "prometheus_registry",
    "trace_manager",
    "track_metrics",
]
