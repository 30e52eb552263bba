"""For any FastAPI app: a session a request, repositories, queries, problems and ETags."""

from __future__ import annotations

from andamios_orm.web import _extra  # noqa: F401 - first of all, it says what is missing
from andamios_orm.web.conditions import (
    Conditions,
    ConditionsDependency,
    RequiredConditionsDependency,
    etag_of,
)
from andamios_orm.web.installation import install, lifespan
from andamios_orm.web.problems import Fault, Problem, problem_of, problem_responses
from andamios_orm.web.providers import detached, page_links, query, repository
from andamios_orm.web.sessions import (
    DatabaseDependency,
    SessionDependency,
    StreamSessionDependency,
    request_database,
    request_session,
    stream_session,
)

__all__ = [
    "Conditions",
    "ConditionsDependency",
    "DatabaseDependency",
    "Fault",
    "Problem",
    "RequiredConditionsDependency",
    "SessionDependency",
    "StreamSessionDependency",
    "detached",
    "etag_of",
    "install",
    "lifespan",
    "page_links",
    "problem_of",
    "problem_responses",
    "query",
    "repository",
    "request_database",
    "request_session",
    "stream_session",
]
