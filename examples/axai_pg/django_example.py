"""A Django project of one file: a middleware opens a scope around each request.

Shows ``DatabaseManager.session_scope()`` in a middleware that looks a bearer token up, views that
use its session, and errors as JSON. A request is one transaction: it commits before the response
is sent, and is rolled back if the view raises or its answer is 400 or above. A refusal has then
changed nothing, whatever the view did before.

Django's own ORM has no part in these tables, and ``DATABASES`` does not name them: which
organisation a statement is for is in settings of its transaction, and only a scope makes them.
Django's connections have none: with a service's login the tables are empty for them, with an
operator's they show the rows of everybody. Keep what is Django's (its users, its sessions) in
another database.

Prints the answers to requests of Django's test client. Costs: a request is one transaction, which
says whose it is in the message of ``BEGIN``.

Edge cases: here users see all documents of their organisation; what a single one may read,
repositories ask, which are asynchronous: an async middleware opens ``async_session_scope()``. A
``StreamingHttpResponse`` is sent after the scope has ended, so it is given rows, not a query.

It starts a PostgreSQL of its own, as the tests do, with a login as in
``production_init_example.py``.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.conf import settings
from django.http import JsonResponse
from django.test import Client
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from production_init_example import service_login
from sqlalchemy import select

from andamios_orm.exceptions import ConstraintViolation, NotFound, ValueRefused
from axai_pg import DatabaseManager, Document, User
from axai_pg.testing.servers import temporary_server
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig
from axai_pg.utils.sample_data import ACME, GLOBEX

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


class Caller(NamedTuple):
    """Who asks: a user, in exactly one organisation."""

    org_id: uuid.UUID
    user_id: uuid.UUID


CALLERS: dict[str, Caller] = {}
"""Who has which token, by its SHA-256; a project has a table, or asks who issues tokens."""
ANSWERS: dict[type[Exception], tuple[int, str]] = {
    json.JSONDecodeError: (400, "the body is no JSON"),
    NotFound: (404, "there is no such document"),
    ConstraintViolation: (422, "a value is missing, or breaks a rule"),
    ValueRefused: (422, "a value is refused"),
}
"""What a client is told of which error."""


def digest(token: str) -> str:
    """Return by what a token is found: who reads the table cannot use what is in it."""
    return hashlib.sha256(token.encode()).hexdigest()


class OrganizationMiddleware:
    """Gives each request a session in the organisation of the one who asks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        caller = CALLERS.get(digest(token)) if scheme.lower() == "bearer" else None
        if caller is None:
            refused = {"WWW-Authenticate": "Bearer"}
            return JsonResponse({"detail": "the token is not known"}, status=401, headers=refused)
        request.caller = caller
        with DatabaseManager.get_instance().session_scope(*caller) as session:
            request.database_session = session
            response = self.get_response(request)  # Django makes a 500 of what a view raises
            if response.status_code >= 400:
                session.rollback()
        return response

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the answer to an error that a client has made; others are Django's."""
        for kind, (status, detail) in ANSWERS.items():
            if isinstance(error, kind):
                return JsonResponse({"detail": detail}, status=status)
        return None


def documents(request: HttpRequest) -> HttpResponse:
    """List the documents of the organisation, or make one, which is the caller's."""
    session = request.database_session
    if request.method == "GET":
        found = session.scalars(select(Document).order_by(Document.title).limit(100))
        return JsonResponse([shown(each) for each in found], safe=False)
    sent = json.loads(request.body)
    made = Document(
        title=sent.get("title"), content=sent.get("content"), owner_id=request.caller.user_id
    )
    session.add(made)
    session.flush()
    return JsonResponse(shown(made), status=201)


def document(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Return a document; one of another organisation is not there."""
    found = request.database_session.get(Document, key)
    if found is None:
        raise NotFound(Document.__name__, key)
    return JsonResponse(shown(found))


def broken(request: HttpRequest) -> HttpResponse:
    """Write, and fail after that."""
    documents(request)
    raise RuntimeError("the view failed")


urlpatterns = [
    path("documents", require_http_methods(["GET", "POST"])(documents)),
    path("documents/<uuid:key>", require_GET(document)),
    path("broken", require_POST(broken)),
]


def shown(document: Document) -> dict[str, Any]:
    """Return what a client gets."""
    return {"id": document.id, "title": document.title, "version": document.version}


def issue_tokens(initializer: DatabaseInitializer) -> dict[str, str]:
    """Return the tokens of two users of the sample data."""
    tokens = {}
    with initializer.session_scope() as session:
        for org_id, name in ((ACME, "ben"), (GLOBEX, "cleo")):
            by_name = select(User.id).where(User.org_id == org_id, User.username == name)
            tokens[name] = secrets.token_urlsafe()
            CALLERS[digest(tokens[name])] = Caller(org_id, session.scalars(by_name).one())
    return tokens


def ask(tokens: dict[str, str]) -> None:
    """Work as two users of two organisations, and make the mistakes that clients make."""
    stranger = Client()
    print("no token:", stranger.get("/documents").status_code)
    ben, cleo = (
        Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)
        for token in tokens.values()
    )
    oaks = {"title": "Oaks", "content": "Plant oaks by the river."}
    made = ben.post("/documents", oaks, content_type="application/json")
    place = f"/documents/{made.json()['id']}"
    for name, client in (("ben", ben), ("cleo", cleo)):
        titles = [each["title"] for each in client.get("/documents").json()]
        read = client.get(place)
        assert (read.status_code == 200) == ("Oaks" in titles) == (name == "ben")
        print(f"{name}: {titles}, and Oaks:", read.status_code)
    untitled = ben.post("/documents", {"title": " "}, content_type="application/json")
    print("no title:", untitled.status_code, untitled.json()["detail"])
    failed = ben.post("/broken", oaks, content_type="application/json")
    kept = [each["title"] for each in ben.get("/documents").json()]
    assert kept.count("Oaks") == 1, "what a view wrote before it failed is gone"
    print("broken:", failed.status_code, "documents:", len(kept))


def main() -> None:
    """Set the project up, start, ask, and leave nothing behind."""
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=[f"{__name__}.OrganizationMiddleware"],
        ROOT_URLCONF=__name__,
    )
    django.setup()
    with temporary_server() as operator:
        options = DatabaseInitializerConfig(operator, auto_drop_on_exit=True)
        with DatabaseInitializer(options) as initializer:
            initializer.setup_database(load_sample_data=True)
            tokens = issue_tokens(initializer)
            with service_login(operator) as service:
                manager = DatabaseManager.initialize(service, require_unprivileged=True)
                try:
                    ask(tokens)
                finally:
                    manager.dispose()


if __name__ == "__main__":
    main()
