import importlib.util
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from andamios_orm import Database
from andamios_orm.core import trace_statements
from andamios_orm.exceptions import MissingExtra

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


async def run(database: Database, sql: str, **values: object) -> None:
    async with database.session() as session:
        await session.execute(text(sql), values)


async def test_a_statement_becomes_a_span_without_its_values(
    database: Database, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    trace_statements(database.observer, tracer_provider=provider)

    await run(database, "SELECT :value AS value", value="canary")

    (span,) = exporter.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert (span.name, span.kind) == ("SELECT", SpanKind.CLIENT)
    assert attributes["db.system.name"] == database.engine.dialect.name
    assert attributes["db.operation.name"] == "SELECT"
    assert str(attributes["db.query.text"]).startswith("SELECT")
    assert "canary" not in span.to_json()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time > span.start_time


async def test_the_text_can_be_left_out(
    database: Database, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    trace_statements(database.observer, tracer_provider=provider, with_text=False)

    await run(database, "SELECT 'canary' AS value")
    await run(database, "/*canary*/ SELECT 1")

    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["SELECT", "SQL"]
    assert not any("canary" in span.to_json() for span in spans)


async def test_an_error_is_in_the_span(
    database: Database, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    trace_statements(database.observer, tracer_provider=provider)

    with pytest.raises(DBAPIError):
        await run(database, "SELECT * FROM nothing")

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] in {
        "MissingTable",
        "UndefinedTable",
        "UndefinedTableError",
    }


async def test_the_number_of_rows_is_told_where_it_is_known(
    database: Database, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (i INTEGER)"))
        await connection.execute(text("INSERT INTO t VALUES (1), (2)"))
    trace_statements(database.observer, tracer_provider=provider)

    await run(database, "UPDATE t SET i = 3")

    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["db.response.returned_rows"] == 2


async def test_tracing_can_be_ended(
    database: Database, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    end = trace_statements(database.observer, tracer_provider=provider)

    end()
    await run(database, "SELECT 1")

    assert exporter.get_finished_spans() == ()


async def test_a_missing_opentelemetry_names_the_extra(
    duckdb_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert importlib.util.find_spec("andamios_orm") is not None

    with pytest.raises(MissingExtra, match=r"pip install 'andamios-orm\[opentelemetry\]'"):
        trace_statements(duckdb_database.observer)
