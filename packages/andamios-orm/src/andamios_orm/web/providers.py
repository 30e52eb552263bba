"""Repositories and query strings as dependencies."""

# FastAPI reads annotations at run time, so they are not postponed here.
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import WithJsonSchema
from starlette.requests import Request

from andamios_orm.core import Database, Session
from andamios_orm.queries import CursorPage, Page, ParsedQuery, QueryGrammar
from andamios_orm.web.sessions import DatabaseDependency, SessionDependency

__all__ = ["detached", "page_links", "query", "repository"]

ModelT = TypeVar("ModelT")
RepositoryT = TypeVar("RepositoryT")


def repository(make: Callable[[Session], RepositoryT]) -> Callable[[Session], RepositoryT]:
    """Return a dependency that gives ``make(session)`` with the session of the request.

    ``make`` is a class of repositories, or a function for one that takes more::

        Projects = Annotated[ProjectRepository, Depends(repository(ProjectRepository))]
        Notes = Annotated[
            GenericRepository[Note],
            Depends(repository(lambda session: GenericRepository(session, Note))),
        ]
    """

    def provide(session: SessionDependency) -> RepositoryT:
        return make(session)

    return provide


def detached(make: Callable[[Database], RepositoryT]) -> Callable[[Database], RepositoryT]:
    """Return a dependency that gives ``make(database)``, which needs no session.

    Each call of such a repository is a transaction of its own, run again after a
    conflict, and single creates of concurrent requests share a commit.
    """

    def provide(database: DatabaseDependency) -> RepositoryT:
        return make(database)

    return provide


def query(
    grammar: QueryGrammar[ModelT], *, besides: Sequence[str] = ()
) -> Callable[[Request], ParsedQuery[ModelT]]:
    """Return a dependency that gives what the query string asks for, checked.

    Its parameters are those of ``grammar``, in OpenAPI as well; an unknown one is
    refused with 422 and the list of those there are. ``besides`` names parameters
    that the route reads by itself.
    """
    ignored = frozenset(besides)

    def parse(request: Request, **_parameters: Any) -> ParsedQuery[ModelT]:
        given = request.query_params
        return grammar.parse({name: given.getlist(name) for name in given if name not in ignored})

    described = [_described(parameter) for parameter in grammar.openapi_parameters()]
    own = inspect.Parameter("request", inspect.Parameter.POSITIONAL_ONLY, annotation=Request)
    parse.__signature__ = inspect.Signature([own, *described])  # type: ignore[attr-defined]  # what FastAPI reads
    return parse


def page_links(request: Request, page: Page[Any] | CursorPage[Any]) -> str:
    """Return the value of a ``Link`` header (RFC 8288) to the pages beside ``page``.

    It is empty where there are none.
    """
    if isinstance(page, CursorPage):
        beside = {"next": {"cursor": page.next}, "prev": {"cursor": page.previous}}
        found = {way: to for way, to in beside.items() if to["cursor"] is not None}
    else:
        found = {}
        if page.has_next:
            found["next"] = {"offset": str(page.offset + page.limit)}
        if page.offset > 0:
            found["prev"] = {"offset": str(max(0, page.offset - page.limit))}
    return ", ".join(
        f'<{request.url.include_query_params(**to)}>; rel="{way}"' for way, to in found.items()
    )


def _described(parameter: dict[str, Any]) -> inspect.Parameter:
    """Return an optional parameter that FastAPI describes as the grammar does."""
    annotation = Annotated[
        list[str],
        WithJsonSchema(parameter["schema"]),
        Query(description=parameter["description"], default_factory=list),
    ]
    return inspect.Parameter(
        parameter["name"], inspect.Parameter.KEYWORD_ONLY, annotation=annotation
    )
