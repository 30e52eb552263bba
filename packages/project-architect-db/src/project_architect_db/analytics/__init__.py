"""The statements of analytics: pure functions, for both databases, over typed columns and rollups.

Nothing here runs anything, and nothing reads a JSON document: what is asked of many rows is
in a column of its own, or was summed up by day when it was written.
"""

from __future__ import annotations

from project_architect_db.analytics.metrics import GRANULARITIES, METRICS, Granularity, Metric

__all__ = ["GRANULARITIES", "METRICS", "Granularity", "Metric"]
