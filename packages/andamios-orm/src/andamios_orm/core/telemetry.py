"""OpenTelemetry spans for statements: ``pip install andamios-orm[opentelemetry]``.

The names follow OpenTelemetry's semantic conventions for database client spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.core.observe import Observer, StatementRecord

__all__ = ["trace_statements"]

_NANOSECONDS = 1_000_000_000


def trace_statements(
    observer: Observer, *, tracer_provider: Any = None, with_text: bool = True
) -> Callable[[], None]:
    """Make a span of every statement the observer sees; return the function that ends it.

    A span carries the text of the statement as it was sent, with placeholders;
    values of parameters are never part of it. ``with_text=False`` leaves the text out: what
    somebody writes into it is a value as well.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise MissingExtra(
            "OpenTelemetry is not installed: pip install 'andamios-orm[opentelemetry]'"
        ) from error
    tracer = trace.get_tracer("andamios_orm", tracer_provider=tracer_provider)

    def record_span(record: StatementRecord) -> None:
        started = int(record.started * _NANOSECONDS)
        # The first word may be a comment, which is text.
        operation = record.operation if with_text or record.operation.isalpha() else "SQL"
        attributes: dict[str, str | int] = {
            "db.system.name": observer.system,
            "db.operation.name": operation,
        }
        if with_text:
            attributes["db.query.text"] = record.statement
        if record.rowcount >= 0:
            attributes["db.response.returned_rows"] = record.rowcount
        span = tracer.start_span(
            operation,
            kind=trace.SpanKind.CLIENT,
            start_time=started,
            attributes=attributes,
        )
        if record.error is not None:
            span.set_attribute("error.type", record.error)
            span.set_status(trace.Status(trace.StatusCode.ERROR, record.error))
        span.end(end_time=started + int(record.seconds * _NANOSECONDS))

    return observer.subscribe(record_span)
