import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select, text
from sqlalchemy.exc import InvalidRequestError

from andamios_orm import Database
from andamios_orm.exceptions import AndamiosError, ConfigurationError
from andamios_orm.web import (
    DatabaseDependency,
    SessionDependency,
    StreamSessionDependency,
    request_database,
)

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


async def count(database: Database, model: Any) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def talk(app: FastAPI, path: str, *texts: str) -> list[dict[str, Any]]:
    """Return what a websocket of ``app`` sends to a client that sends ``texts``."""
    incoming: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    incoming += [{"type": "websocket.receive", "text": text} for text in texts]
    incoming += [{"type": "websocket.disconnect", "code": 1000}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "server": ("test", 80),
    }
    await app(scope, receive, send)
    return sent


async def test_a_request_commits_what_its_handler_did(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    @app.post("/notes")
    async def create(session: SessionDependency) -> str:
        session.add(note(title="a"))
        return "stored"

    response = await client.post("/notes")

    assert response.json() == "stored"
    assert await count(database, note) == 1


async def test_it_commits_before_the_first_byte_is_sent(
    app: FastAPI, database: Database, note: Any
) -> None:
    seen: list[tuple[str, int]] = []

    @app.post("/notes")
    async def create(session: SessionDependency) -> None:
        session.add(note(title="a"))

    async def observed(scope: Any, receive: Any, send: Any) -> None:
        async def count_first(message: Any) -> None:
            seen.append((message["type"], await count(database, note)))
            await send(message)

        await app(scope, receive, count_first)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(observed), base_url="http://test"
    ) as client:
        await client.post("/notes")

    assert seen[0] == ("http.response.start", 1)


async def test_a_commit_that_fails_is_a_response_that_fails(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    @app.post("/notes")
    async def create(session: SessionDependency) -> str:
        session.add(note(title="a", follows=77))
        return "stored"

    response = await client.post("/notes")

    assert response.status_code == 409
    assert response.json()["type"].endswith("foreign-key-violation")
    assert await count(database, note) == 0


@pytest.mark.parametrize("error", [HTTPException(400), ValueError("no")])
async def test_a_handler_that_raises_stores_nothing(
    error: Exception, app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    @app.post("/notes")
    async def create(session: SessionDependency) -> None:
        session.add(note(title="a"))
        await session.flush()
        raise error

    response = await client.post("/notes")

    assert response.status_code in {400, 500}
    assert await count(database, note) == 0


async def test_a_result_that_cannot_be_sent_stores_nothing(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    @app.post("/notes")
    async def create(session: SessionDependency) -> int:
        session.add(note(title="a"))
        return "no number"  # type: ignore[return-value]

    response = await client.post("/notes")

    assert response.status_code == 500
    assert await count(database, note) == 0


async def test_a_swallowed_error_is_no_success(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    @app.post("/notes")
    async def create(session: SessionDependency) -> str:
        connection = await session.connection()
        with contextlib.suppress(Exception):  # the mistake this is about
            await connection.execute(text("SELECT * FROM nowhere"))
        return "stored"

    response = await client.post("/notes")

    assert response.status_code == 500
    assert response.json()["type"].endswith("transaction-aborted")
    assert "nowhere" not in response.text


async def test_one_request_has_one_session(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/")
    async def same(one: SessionDependency, other: SessionDependency) -> bool:
        return one is other

    assert (await client.get("/")).json() is True


@pytest.mark.slow
async def test_concurrent_requests_have_sessions_of_their_own(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    @app.post("/notes/{title}")
    async def create(title: str, session: SessionDependency) -> None:
        session.add(note(title=title))
        await session.flush()

    responses = await asyncio.gather(*(client.post(f"/notes/{n}") for n in range(8)))

    assert {response.status_code for response in responses} == {200}
    assert await count(database, note) == 8


async def test_a_stream_reads_from_a_session_of_its_own(
    app: FastAPI, client: httpx.AsyncClient, database: Database, note: Any
) -> None:
    async with database.transaction() as session:
        session.add_all([note(title=str(n)) for n in range(5)])

    @app.get("/titles")
    async def titles(session: StreamSessionDependency) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            async for title in await session.stream_scalars(
                select(note.title).order_by(note.title)
            ):
                yield f"{title}\n"

        return StreamingResponse(lines(), media_type="text/plain")

    response = await client.get("/titles")

    assert response.text == "0\n1\n2\n3\n4\n"
    assert (await database.health()).pool.in_use == 0


@pytest.mark.slow
async def test_the_session_of_a_request_is_closed_for_good_when_it_streams(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    refused: list[str] = []

    @app.get("/")
    async def stream(session: SessionDependency) -> StreamingResponse:
        async def late() -> AsyncIterator[str]:
            try:
                await session.execute(text("SELECT 1"))
            except InvalidRequestError as error:
                refused.append(str(error))
            yield "end"

        return StreamingResponse(late())

    await client.get("/")

    assert "closed" in refused[0]


async def test_a_background_task_sees_what_was_committed(
    app: FastAPI, client: httpx.AsyncClient, note: Any
) -> None:
    seen: list[int] = []

    async def later(database: Database) -> None:
        seen.append(await count(database, note))

    @app.post("/notes")
    async def create(
        session: SessionDependency, database: DatabaseDependency, tasks: BackgroundTasks
    ) -> None:
        session.add(note(title="a"))
        tasks.add_task(later, database)

    await client.post("/notes")

    assert seen == [1]


async def test_a_websocket_opens_a_transaction_for_each_message(
    app: FastAPI, database: Database, note: Any
) -> None:
    @app.websocket("/ws")
    async def listen(websocket: WebSocket, database: DatabaseDependency) -> None:
        await websocket.accept()
        async for title in websocket.iter_text():
            async with database.transaction() as session:
                session.add(note(title=title))
            await websocket.send_text("stored")

    sent = await talk(app, "/ws", "a", "b")

    assert [message.get("text") for message in sent[1:]] == ["stored", "stored"]
    assert await count(database, note) == 2


async def test_a_websocket_may_not_hold_the_session_of_a_request(app: FastAPI) -> None:
    @app.websocket("/ws")
    async def listen(websocket: WebSocket, session: SessionDependency) -> None: ...

    sent = await talk(app, "/ws")

    assert (sent[0]["type"], sent[0]["code"]) == ("websocket.close", 1011)


async def test_a_websocket_is_closed_by_an_error(app: FastAPI) -> None:
    @app.websocket("/ws")
    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        raise HTTPException(403, "not you")

    sent = await talk(app, "/ws")

    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1008)


async def test_a_websocket_that_is_gone_is_not_closed_again(app: FastAPI) -> None:
    @app.websocket("/ws")
    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()
        raise AndamiosError

    sent = await talk(app, "/ws")

    assert [message["type"] for message in sent] == ["websocket.accept"]


async def test_an_app_without_a_database_says_so() -> None:
    app = FastAPI()

    @app.get("/")
    async def ask(database: DatabaseDependency) -> None: ...

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(ConfigurationError, match=r"install\(app, database\)"):
            await client.get("/")


async def test_a_test_may_put_another_database_in_place(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async with Database("duckdb:///:memory:") as other:
        app.dependency_overrides[request_database] = lambda: other

        @app.get("/")
        async def ask(session: SessionDependency) -> bool:
            return session.bind is other.engine

        assert (await client.get("/")).json() is True
