import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import text

from andamios_orm import Database, exceptions
from andamios_orm.exceptions import RowRefusal
from andamios_orm.web import Problem, SessionDependency, install, problem_of, problem_responses

pytestmark = [pytest.mark.integration, pytest.mark.db]

SECRET = "hunter2"  # noqa: S105 - what must not be told
FAULT: dict[str, Any] = {"statement": f"SELECT '{SECRET}'", "params": {"p": SECRET}}
TOLD = [
    (exceptions.NotFound("Note", SECRET), 404, "not-found"),
    (exceptions.FollowerUnknown(SECRET), 404, "not-found"),
    (exceptions.HistoryExpired(SECRET), 410, "history-expired"),
    (exceptions.DuplicateKey(SECRET, value=SECRET, **FAULT), 409, "duplicate-key"),
    (exceptions.ForeignKeyViolation(SECRET, **FAULT), 409, "foreign-key-violation"),
    (exceptions.StaleVersion(SECRET, **FAULT), 409, "stale-version"),
    (exceptions.WriteConflict(SECRET, **FAULT), 409, "write-conflict"),
    (exceptions.NotNullViolation(SECRET, **FAULT), 422, "value-missing"),
    (exceptions.CheckViolation(SECRET, **FAULT), 422, "check-violation"),
    (exceptions.ValueRefused("too long", SECRET, "name"), 422, "value-refused"),
    (exceptions.ValueRefused("too long", SECRET), 422, "value-refused"),
    (exceptions.BulkRefused("Note", [RowRefusal(3, "a", "b", SECRET)]), 422, "rows-refused"),
    (exceptions.UnknownField("no such field", ["a"]), 422, "query-refused"),
    (exceptions.CursorRefused("the cursor was altered"), 422, "query-refused"),
    (exceptions.LoadTooLarge(2, 1), 413, "too-large"),
    (exceptions.StatementTimeout(SECRET, **FAULT), 504, "statement-timeout"),
    (exceptions.PoolExhausted(SECRET, [SECRET]), 503, "pool-exhausted"),
    (exceptions.WriteGateTimeout(SECRET, holder=SECRET, **FAULT), 503, "write-gate-timeout"),
    (exceptions.DatabaseLocked(SECRET, path=SECRET, pid=7), 503, "database-unavailable"),
    (exceptions.TransactionAborted(SECRET, cause_message=SECRET), 500, "transaction-aborted"),
    (exceptions.CommitOutcomeUnknown(SECRET, **FAULT), 500, "commit-outcome-unknown"),
    (exceptions.StatementRefused(SECRET, **FAULT), 500, "internal-error"),
    (ValueError(SECRET), 500, "internal-error"),
]


def named(told: object) -> str | None:
    return type(told).__name__ if isinstance(told, Exception) else None


@pytest.mark.parametrize("url", ["duckdb:///:memory:"])
@pytest.mark.parametrize(("error", "status", "name"), TOLD, ids=named)
async def test_an_error_is_told_without_what_is_nobodys_business(
    error: Exception, status: int, name: str, app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/fail")
    async def fail() -> None:
        raise error

    response = await client.get("/fail?token=secret")

    body = Problem.model_validate(response.json())
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, body.status, body.type) == (
        status,
        status,
        f"urn:andamios:problem:{name}",
    )
    assert body.instance == "/fail"
    assert SECRET not in response.text
    assert ("retry-after" in response.headers) == (status == 503)


@pytest.mark.parametrize("url", ["duckdb:///:memory:"])
async def test_what_is_the_servers_fault_is_logged(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/fail")
    async def fail() -> None:
        raise exceptions.CommitOutcomeUnknown("cut", **FAULT)

    with caplog.at_level(logging.ERROR, "andamios_orm.web"):
        await client.get("/fail")

    assert caplog.records[0].exc_info is not None


async def test_a_duplicate_names_the_columns_and_no_value(
    app: FastAPI, client: httpx.AsyncClient, note: Any
) -> None:
    @app.post("/notes")
    async def create(session: SessionDependency) -> None:
        session.add(note(title=SECRET))

    await client.post("/notes")
    response = await client.post("/notes")

    assert response.status_code == 409
    assert response.json()["errors"] == [{"field": "title", "detail": "another row has this value"}]
    assert SECRET not in response.text


async def test_a_stale_version_is_a_failed_precondition_where_the_client_named_one(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    async with database.transaction() as session:
        session.add(note(title="a"))

    @app.patch("/notes")
    async def change(session: SessionDependency) -> None:
        row = await session.get(note, 1)
        assert row is not None
        await session.execute(text("UPDATE notes SET version = 9"))
        row.title = "b"

    plain = await client.patch("/notes")
    conditional = await client.patch("/notes", headers={"If-Match": '"1"'})

    assert (plain.status_code, conditional.status_code) == (409, 412)
    assert conditional.json()["type"] == plain.json()["type"]


@pytest.mark.parametrize("url", ["duckdb:///:memory:"])
async def test_a_request_that_is_not_as_declared_is_told_so_without_its_input(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    class Login(BaseModel):
        name: str
        password: int

    @app.post("/login/{number}")
    async def login(number: int, body: Login) -> None: ...

    response = await client.post("/login/x", json={"password": SECRET})

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [(each["location"], each["field"]) for each in response.json()["errors"]] == [
        ("path", "number"),
        ("body", "name"),
        ("body", "password"),
    ]
    assert SECRET not in response.text


@pytest.mark.parametrize("url", ["duckdb:///:memory:"])
async def test_an_http_exception_keeps_its_status_headers_and_detail(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", {"X-Handle": "here"})

    @app.get("/odd")
    async def odd() -> None:
        raise HTTPException(499, {"code": 7})

    teapot_response, odd_response = await client.get("/teapot"), await client.get("/odd")
    nowhere = await client.get("/nowhere")

    assert teapot_response.headers["x-handle"] == "here"
    assert teapot_response.json()["detail"] == "short and stout"
    assert odd_response.json() == {
        "type": "about:blank",
        "title": "Status 499",
        "status": 499,
        "instance": "/odd",
        "data": {"code": 7},
    }
    assert nowhere.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "instance": "/nowhere",
    }


def test_types_begin_as_the_app_wants() -> None:
    problem = problem_of(exceptions.NotFound("Note", 7), types="https://example.org/problems/")

    assert problem.type == "https://example.org/problems/not-found"
    assert problem.detail == "there is no such Note"


def test_openapi_describes_problems() -> None:
    app = FastAPI(responses=problem_responses(404, 422))
    install(app, Database("duckdb:///:memory:"))

    @app.get("/notes/{key}")
    async def read(key: int) -> None: ...

    answers = app.openapi()["paths"]["/notes/{key}"]["get"]["responses"]
    schema = answers["404"]["content"]["application/problem+json"]["schema"]
    assert schema["properties"]["errors"]["items"]["title"] == "Fault"
    assert list(answers["422"]["content"]) == ["application/problem+json"]
