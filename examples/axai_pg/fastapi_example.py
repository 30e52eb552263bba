"""A FastAPI service of documents: who asks decides which organisation there is.

Shows a bearer token that is looked up, a scope for each request that commits before the
response is sent, repositories for a viewer, versions that refuse what is stale, and errors as
problems. The lifespan initialises ``DatabaseManager``, looks whether all is well, and disposes
of it.

Prints the answers of the service to requests made through ASGI, without a network. Costs: a
request is one transaction, which says whose it is in the message of ``BEGIN``.

Edge cases: the organisation is never what a client says of itself; a document of another
organisation, or one that nobody has shared, is not there (404), and one that may only be read is
not changed (403); FastAPI reads annotations at run time, so they are not postponed here.

It starts a PostgreSQL of its own, as the tests do, with a login as in
``production_init_example.py``.
"""

import hashlib
import logging
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, NamedTuple

import httpx
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from production_init_example import service_login
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from starlette.exceptions import HTTPException as AnyHTTPException

from andamios_orm import run
from andamios_orm.exceptions import AndamiosError
from andamios_orm.web import Problem, problem_of, problem_responses
from axai_pg import DatabaseManager, Document, PostgresConnectionConfig, User
from axai_pg.data.models import Action, DocumentStatus
from axai_pg.data.repositories import RepositoryFactory
from axai_pg.exceptions import NotPermitted, PermissionRequired
from axai_pg.testing.servers import temporary_server
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig
from axai_pg.utils.sample_data import ACME, GLOBEX

_log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """Who asks: a user, in exactly one organisation."""

    org_id: uuid.UUID
    user_id: uuid.UUID


CALLERS: dict[str, Caller] = {}
"""Who has which token, by its SHA-256; a service has a table, or asks who issues tokens."""


def digest(token: str) -> str:
    """Return by what a token is found: who reads the table cannot use what is in it."""
    return hashlib.sha256(token.encode()).hexdigest()


async def caller(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> Caller:
    """Return who asks, or refuse."""
    found = CALLERS.get(digest(credentials.credentials))
    if found is None:
        raise HTTPException(401, "the token is not known", {"WWW-Authenticate": "Bearer"})
    return found


async def repositories(who: Annotated[Caller, Depends(caller)]) -> AsyncIterator[RepositoryFactory]:
    """Yield the repositories of a request: of one organisation, for one viewer."""
    manager = DatabaseManager.get_instance()
    async with manager.async_session_scope(who.org_id, who.user_id) as session:
        yield RepositoryFactory(session, viewer=who.user_id)


# Of a function, not of the request: it commits before the response is sent.
Repositories = Annotated[RepositoryFactory, Depends(repositories, scope="function")]


class DocumentIn(BaseModel):
    """What a client sends of a new document."""

    title: str = Field(max_length=500)
    content: str = ""


class DocumentChange(BaseModel):
    """What a client sends of a change; ``version`` is the one that it has seen."""

    version: int
    title: str | None = Field(None, max_length=500)
    content: str | None = None
    status: DocumentStatus | None = None
    change_description: str | None = None


class DocumentOut(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    version: int
    title: str
    content: str | None
    status: DocumentStatus


class Hit(BaseModel):
    """A document that was found; in ``html`` the words are marked."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    title: str
    html: str


router = APIRouter(prefix="/documents", responses=problem_responses(401, 403, 404, 409, 422))


@router.post("", status_code=201, response_model=DocumentOut)
async def create(values: DocumentIn, of: Repositories) -> Document:
    """Make a document, which is the caller's."""
    return await of.documents.create(values)


@router.get("", response_model=list[DocumentOut])
async def list_newest(
    of: Repositories, limit: Annotated[int, Field(le=100)] = 20
) -> list[Document]:
    """Return what the caller may read, the newest first."""
    return await of.documents.list(limit, order_by="-created_at")


@router.get("/search")
async def search(words: str, of: Repositories) -> list[Hit]:
    """Return documents that have the words, the best first."""
    return [Hit.model_validate(hit) for hit in await of.documents.search(words)]


@router.get("/{key}", response_model=DocumentOut)
async def read(key: uuid.UUID, of: Repositories) -> Document:
    """Return a document."""
    return await of.documents.get(key)


@router.patch("/{key}", response_model=DocumentOut)
async def change(key: uuid.UUID, sent: DocumentChange, of: Repositories) -> Document:
    """Change a document; its new version says why."""
    values = sent.model_dump(exclude_unset=True, exclude={"version", "change_description"})
    return await of.documents.update_with_version(
        key, values, sent.change_description, version=sent.version
    )


@router.put("/{key}/readers/{user_id}", status_code=204)
async def share(key: uuid.UUID, user_id: uuid.UUID, of: Repositories) -> None:
    """Let another user read a document."""
    await of.documents.share(key, Action.READ, user_id=user_id)


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Return an error as ``application/problem+json``; what is our fault is logged."""
    if isinstance(error, NotPermitted | PermissionRequired):
        problem = Problem(type="about:blank", title="You may not do this", status=403)
    else:
        problem = problem_of(error)
    if problem.status >= 500:
        _log.error("%s: %s", request.url.path, problem.title, exc_info=error)
    return JSONResponse(
        problem.model_dump(exclude_defaults=True),
        problem.status,
        getattr(error, "headers", None),
        "application/problem+json",
    )


def app_on(config: PostgresConnectionConfig) -> FastAPI:
    """Return the service, with its documents where ``config`` says."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        manager = DatabaseManager.initialize(config, require_unprivileged=True)
        try:
            health = await manager.check_health()
            if not health.isolated:
                raise RuntimeError(f"the service does not start: {health}")
            yield
        finally:
            manager.dispose()

    app = FastAPI(title="Documents", lifespan=lifespan)
    app.include_router(router)
    for kind in (AndamiosError, AnyHTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)
    return app


def issue_tokens(initializer: DatabaseInitializer) -> dict[str, dict[str, str]]:
    """Return the headers with which three users of the sample data ask."""
    headers = {}
    with initializer.session_scope() as session:
        for org_id, name in ((ACME, "ana"), (ACME, "ben"), (GLOBEX, "cleo")):
            by_name = select(User.id).where(User.org_id == org_id, User.username == name)
            token = secrets.token_urlsafe()
            CALLERS[digest(token)] = Caller(org_id, session.scalars(by_name).one())
            headers[name] = {"Authorization": f"Bearer {token}"}
    return headers


async def ask(client: httpx.AsyncClient, as_: dict[str, dict[str, str]]) -> None:
    """Work as three users of two organisations, and make the mistakes that clients make."""
    unknown = await client.get("/documents", headers={"Authorization": "Bearer x"})
    print("unknown token:", unknown.status_code, unknown.json()["detail"])

    oaks = {"title": "Oaks", "content": "Plant oaks by the river."}
    made = await client.post("/documents", json=oaks, headers=as_["ana"])
    assert made.status_code == 201, made.text
    place = f"/documents/{made.json()['id']}"
    for name, headers in as_.items():
        listed = await client.get("/documents", headers=headers)
        found = await client.get("/documents/search?words=oak", headers=headers)
        read = await client.get(place, headers=headers)
        print(f"{name}: {len(listed.json())} documents, {len(found.json())} found:", end=" ")
        print(read.status_code)
    pretended = {**as_["cleo"], "X-Org-Id": str(ACME)}
    assert (await client.get(place, headers=pretended)).status_code == 404

    elms = {"content": "Plant elms.", "version": 1, "change_description": "elms are cheaper"}
    for expected in (200, 409):
        changed = await client.patch(place, json=elms, headers=as_["ana"])
        assert changed.status_code == expected
        print("changed:", changed.status_code, changed.json().get("detail", ""))
    ben = CALLERS[digest(as_["ben"]["Authorization"].removeprefix("Bearer "))]
    shared = await client.put(f"{place}/readers/{ben.user_id}", headers=as_["ana"])
    read = await client.get(place, headers=as_["ben"])
    print("shared:", shared.status_code, "ben reads:", read.json()["content"])
    refused = await client.patch(place, json={**elms, "version": 2}, headers=as_["ben"])
    assert refused.status_code == 403
    print("ben changes it:", refused.status_code, refused.json()["title"])
    wrong = await client.post("/documents", json={}, headers=as_["ana"])
    print("no title:", wrong.status_code, wrong.json()["errors"][0]["field"])


async def main(config: PostgresConnectionConfig, as_: dict[str, dict[str, str]]) -> None:
    """Start the service, ask it, and stop it."""
    app = app_on(config)
    transport = httpx.ASGITransport(app)  # runs no lifespan, as a server does
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://documents") as client,
    ):
        await ask(client, as_)


if __name__ == "__main__":
    with temporary_server() as operator:
        options = DatabaseInitializerConfig(operator, auto_drop_on_exit=True)
        with DatabaseInitializer(options) as initializer:
            initializer.setup_database(load_sample_data=True)
            with service_login(operator) as service:
                run(main(service, issue_tokens(initializer)))
