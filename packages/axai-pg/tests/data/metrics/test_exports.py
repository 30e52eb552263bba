"""What is exported has labels from a fixed list, and nothing of whose it was."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY, generate_latest
from sqlalchemy import text

from andamios_orm.exceptions import DataFault, MissingExtra
from andamios_orm.repositories import BaseRepository
from axai_pg.data.caching import CacheManager
from axai_pg.data.metrics import (
    Metrics,
    MetricsSnapshot,
    export_metrics,
    prometheus_registry,
    trace_manager,
)
from axai_pg.data.metrics.families import LABELS
from axai_pg.data.models import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from axai_pg import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]

USER = uuid.uuid4()
CANARIES = ("canary", str(USER), USER.hex)
VALUES = {"SELECT", "INSERT", "UPDATE", "WITH", "other", "Topic.create", "commit", "rollback"} | {
    *("DivisionByZero", "hits", "misses", "stale", "bypassed", "evicted", "oversized")
}


@pytest.fixture
async def used(manager: DatabaseManager, acme: uuid.UUID) -> AsyncIterator[Metrics]:
    """Yield metrics of a manager that has been used, with values everywhere."""
    async with CacheManager(manager) as cache:
        with Metrics(manager, cache=cache) as metrics:
            yield metrics


async def use(manager: DatabaseManager, metrics: Metrics, org_id: uuid.UUID) -> None:
    async with manager.async_session_scope(org_id, USER) as session:
        await (
            BaseRepository(session, Topic)
            .use(metrics.middleware)
            .create({"name": f"canary {uuid.uuid4()}"})
        )
        await session.execute(text("SELECT :value"), {"value": "canary"})
        await session.execute(text("UPDATE topics SET description = 'canary'"))
        await session.execute(text("/*canary*/ SELECT 1"))
        cache = CacheManager.of(session)
        assert cache is not None
        await cache.get(session, "canary")
    with pytest.raises(DataFault), manager.session_scope(org_id) as blocking:
        blocking.execute(text("SELECT 1 / 0"))


def refuse_canaries(exported: str, org_id: uuid.UUID) -> None:
    """Raise if there is something of whose it was in what is exported."""
    for canary in (*CANARIES, str(org_id), org_id.hex):
        assert canary not in exported


async def test_prometheus_gets_labels_of_a_fixed_list(
    manager: DatabaseManager, used: Metrics, acme: uuid.UUID
) -> None:
    await use(manager, used, acme)

    registry = prometheus_registry(used)

    samples = [sample for family in registry.collect() for sample in family.samples]
    labels = [{**sample.labels} for sample in samples]
    for each in labels:
        each.pop("le", None)
    assert {name for each in labels for name in each} == LABELS
    assert {value for each in labels for value in each.values()} <= VALUES
    exported = generate_latest(registry).decode()
    refuse_canaries(exported, acme)
    assert 'axai_operation_seconds_bucket{le="+Inf",operation="Topic.create"} 1.0' in exported
    assert 'axai_statement_errors_total{error="DivisionByZero",statement="SELECT"} 1.0' in exported
    assert 'axai_cache_results_total{result="bypassed"} 1.0' in exported
    assert "axai_slow_transactions_total 0.0" in exported
    assert "axai_cache_entries 0.0" in exported


async def test_prometheus_has_a_registry_of_its_own(metrics: Metrics) -> None:
    prometheus_registry(metrics)
    prometheus_registry(metrics)

    assert not [family for family in REGISTRY.collect() if family.name.startswith("axai")]


async def test_without_a_cache_nothing_is_told_of_one(metrics: Metrics) -> None:
    assert b"cache" not in generate_latest(prometheus_registry(metrics))


@pytest.mark.slow
async def test_opentelemetry_gets_labels_of_a_fixed_list(
    manager: DatabaseManager, used: Metrics, acme: uuid.UUID
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    export_metrics(used, meter_provider=provider)
    await use(manager, used, acme)

    data: Any = reader.get_metrics_data()

    found = {
        metric.name: {
            tuple(sorted(point.attributes.items())): point.value
            for point in metric.data.data_points
        }
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    attributes = [dict(point) for points in found.values() for point in points]
    assert {name for each in attributes for name in each} <= LABELS
    assert {value for each in attributes for value in each.values()} <= VALUES
    refuse_canaries(data.to_json(), acme)
    assert found["axai_operation_count"] == {(("operation", "Topic.create"),): 1}
    assert found["axai_transaction_count"][("outcome", "rollback"),] == 1
    assert found["axai_cache_entries"] == {(): 0}
    provider.shutdown()


async def test_opentelemetry_reads_one_snapshot_at_a_time(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[MetricsSnapshot] = []
    snapshot = metrics.snapshot

    def note() -> MetricsSnapshot:
        taken.append(snapshot())
        return taken[-1]

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    export_metrics(metrics, meter_provider=provider)
    monkeypatch.setattr(metrics, "snapshot", note)

    for number in range(1, 4):
        with metrics.measured("reports.monthly"):
            pass
        data: Any = reader.get_metrics_data()
        [scope] = data.resource_metrics[0].scope_metrics
        [found] = [each for each in scope.metrics if each.name == "axai_operation_count"]
        assert [point.value for point in found.data.data_points] == [number]

    assert len(taken) == 3
    provider.shutdown()


async def test_a_span_has_neither_text_nor_values(
    manager: DatabaseManager, used: Metrics, acme: uuid.UUID
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    end = trace_manager(used, tracer_provider=provider)

    await use(manager, used, acme)
    spans = exporter.get_finished_spans()
    end()
    await use(manager, used, acme)

    assert len(exporter.get_finished_spans()) == len(spans) > 5
    for span in spans:
        refuse_canaries(span.to_json(), acme)
    provider.shutdown()


@pytest.mark.parametrize(
    ("module", "export"),
    [("prometheus_client", prometheus_registry), ("opentelemetry.metrics", export_metrics)],
)
def test_a_missing_extra_says_what_to_install(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, module: str, export: Any
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = module.partition("_")[0].partition(".")[0]

    with pytest.raises(MissingExtra, match=rf"pip install 'axai-pg\[{extra}\]'"):
        export(metrics)
