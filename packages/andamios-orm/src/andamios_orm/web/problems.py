"""Errors as ``application/problem+json`` (RFC 9457), with nothing in them but the matter.

No body has SQL, parameters, values, paths of files or a traceback; those that are the
server's fault are logged with all of it.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from fastapi.utils import is_body_allowed_for_status_code
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketState

from andamios_orm import exceptions as errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from starlette.requests import HTTPConnection

__all__ = ["Fault", "Problem", "ProblemHandler", "problem_of", "problem_responses"]

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("andamios_orm.web")
_MOST_FAULTS = 100
_RETRY_AFTER = {"Retry-After": "1"}


class Fault(BaseModel):
    """What is wrong with one field. ``location`` is body, query, path, header or cookie."""

    field: str
    detail: str
    location: str | None = None
    row: int | None = None


class Problem(BaseModel):
    """The body of a response that says what went wrong.

    ``known`` lists the names there are, where one was unknown; ``data`` is the detail
    of an ``HTTPException`` where that is no text.
    """

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: list[Fault] = Field(default_factory=list)
    known: list[str] = Field(default_factory=list)
    data: Any = None


class _Kind(NamedTuple):
    """How a kind of error is answered; ``detail`` says what may be told of one."""

    status: int
    name: str
    title: str
    detail: Callable[[Any], str | None] = lambda _error: None
    faults: Callable[[Any], Iterable[Fault]] = lambda _error: ()
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def _columns(text: str) -> Callable[[errors.ConstraintViolation], Iterable[Fault]]:
    return lambda error: (Fault(field=name, detail=text) for name in error.columns)


def _reason(error: errors.ValueRefused) -> str:
    return error.reason


def _refused_value(error: errors.ValueRefused) -> Iterable[Fault]:
    return [Fault(field=error.column, detail=error.reason)] if error.column else []


def _refused_rows(error: errors.BulkRefused) -> Iterable[Fault]:
    return (
        Fault(field=each.field, detail=each.message, row=each.row)
        for each in error.errors[:_MOST_FAULTS]
    )


def _missing(error: errors.NotFound) -> str:
    return f"there is no such {error.model}"


_AGAIN = "another request was first: read it again and repeat"
_BUSY = "the database is busy: try again"
_KINDS: dict[type[BaseException], _Kind] = {
    errors.NotFound: _Kind(404, "not-found", "It does not exist", _missing),
    errors.FollowerUnknown: _Kind(404, "not-found", "It does not exist"),
    errors.HistoryExpired: _Kind(410, "history-expired", "That long ago is no longer kept"),
    errors.DuplicateKey: _Kind(
        409, "duplicate-key", "It exists already", faults=_columns("another row has this value")
    ),
    errors.ForeignKeyViolation: _Kind(
        409,
        "foreign-key-violation",
        "It refers to what does not exist, or is still referred to",
        faults=_columns("it refers to a row that does not exist, or others refer to it"),
    ),
    errors.StaleVersion: _Kind(
        409, "stale-version", "It has changed meanwhile", lambda _error: _AGAIN
    ),
    errors.WriteConflict: _Kind(
        409, "write-conflict", "Another writer was first", lambda _error: _AGAIN
    ),
    errors.NotNullViolation: _Kind(
        422, "value-missing", "A value is missing", faults=_columns("it must have a value")
    ),
    errors.CheckViolation: _Kind(
        422, "check-violation", "A value breaks a rule", faults=_columns("it breaks a rule")
    ),
    errors.ValueRefused: _Kind(
        422, "value-refused", "A value is refused", _reason, _refused_value
    ),
    errors.BulkRefused: _Kind(
        422, "rows-refused", "Rows are refused, nothing was written", faults=_refused_rows
    ),
    errors.QueryRefused: _Kind(
        422, "query-refused", "The query is refused", lambda error: error.args[0]
    ),
    errors.LoadTooLarge: _Kind(413, "too-large", "It is too large for one transaction"),
    errors.StatementTimeout: _Kind(504, "statement-timeout", "The database took too long"),
    errors.PoolExhausted: _Kind(
        503, "pool-exhausted", "All connections are in use", lambda _error: _BUSY,
        headers=_RETRY_AFTER,
    ),
    errors.WriteGateTimeout: _Kind(
        503, "write-gate-timeout", "Another write takes too long", lambda _error: _BUSY,
        headers=_RETRY_AFTER,
    ),
    errors.DatabaseUnavailable: _Kind(
        503, "database-unavailable", "The database cannot be used", headers=_RETRY_AFTER
    ),
    errors.TransactionAborted: _Kind(
        500, "transaction-aborted", "Nothing was stored",
        lambda _error: "an earlier step failed, and all was rolled back",
    ),
    errors.CommitOutcomeUnknown: _Kind(
        500, "commit-outcome-unknown", "Whether it was stored is not known",
        lambda _error: "the connection broke during the commit: look before you repeat",
    ),
}  # fmt: skip
_FAILED = _Kind(500, "internal-error", "The server failed")


def problem_of(
    error: BaseException, *, types: str = "urn:andamios:problem:", conditional: bool = False
) -> Problem:
    """Return what may be told of ``error``; of one that is unknown, only that it happened.

    ``conditional`` is whether the request had ``If-Match``: then a stale version is 412.
    """
    return _answer(error, types, conditional=conditional)[0]


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route or an app, for OpenAPI: a problem for each status."""
    schema = Problem.model_json_schema()
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["Fault"]
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


class ProblemHandler:
    """Answers errors of an app: for ``app.add_exception_handler``, which ``install()`` calls."""

    def __init__(self, types: str) -> None:
        """Begin the type of each problem with ``types``."""
        self._types = types

    async def __call__(self, connection: HTTPConnection, error: Exception) -> Any:
        """Return the response to a request, or close a websocket, which has none."""
        conditional = "if-match" in connection.headers
        problem, headers = _answer(error, self._types, conditional=conditional)
        ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if ours and isinstance(error, errors.AndamiosError):  # the server logs those of others
            _log.error("%s: %s", connection.url.path, problem.title, exc_info=error)
        if isinstance(connection, WebSocket):
            await _close(connection, problem)
            return None
        if not is_body_allowed_for_status_code(problem.status):
            return Response(status_code=problem.status, headers=headers)
        problem.instance = connection.url.path
        return JSONResponse(
            problem.model_dump(exclude_defaults=True),
            problem.status,
            headers=headers,
            media_type=MEDIA_TYPE,
        )


def _answer(
    error: BaseException, types: str, *, conditional: bool
) -> tuple[Problem, dict[str, str]]:
    """Return the problem and the headers of the response to ``error``."""
    if isinstance(error, HTTPException):
        return _of_http(error), dict(error.headers or {})
    if isinstance(error, RequestValidationError):
        return _of_request(error, types), {}
    kind = next((_KINDS[each] for each in type(error).__mro__ if each in _KINDS), _FAILED)
    status = kind.status
    if conditional and isinstance(error, errors.StaleVersion):
        status = HTTPStatus.PRECONDITION_FAILED
    problem = Problem(
        type=types + kind.name,
        title=kind.title,
        status=status,
        detail=kind.detail(error),
        errors=list(kind.faults(error)),
        known=list(error.known) if isinstance(error, errors.QueryRefused) else [],
    )
    return problem, dict(kind.headers)


def _of_http(error: HTTPException) -> Problem:
    """Return the problem of an ``HTTPException``: about:blank, its title is the status's."""
    try:
        title = HTTPStatus(error.status_code).phrase
    except ValueError:
        title = f"Status {error.status_code}"
    detail: Any = error.detail  # FastAPI's may be anything
    is_text = isinstance(detail, str)
    return Problem(
        type="about:blank",
        title=title,
        status=error.status_code,
        detail=detail if is_text and detail != title else None,
        data=None if is_text else detail,
    )


def _of_request(error: RequestValidationError, types: str) -> Problem:
    """Return the problem of a request that is not as declared; its input stays out."""
    found: Sequence[Any] = error.errors()
    return Problem(
        type=f"{types}request-refused",
        title="The request is not as it should be",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        errors=[
            Fault(
                location=str(each["loc"][0]),
                field=".".join(str(part) for part in each["loc"][1:]),
                detail=str(each["msg"]),
            )
            for each in found[:_MOST_FAULTS]
        ],
    )


async def _close(websocket: WebSocket, problem: Problem) -> None:
    """Close a websocket that is open: 1008 if the client is to blame, 1011 if not."""
    gone = WebSocketState.DISCONNECTED
    if gone in {websocket.client_state, websocket.application_state}:
        return
    ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    await websocket.close(1011 if ours else 1008, problem.title)
