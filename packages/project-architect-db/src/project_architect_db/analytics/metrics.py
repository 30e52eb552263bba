"""What can be counted by time: metrics, granularities, and the sums that they are made of.

==================== ===================================================== ==================
metric               what it counts                                         by
==================== ===================================================== ==================
projects_created     projects                                              ``created_at``
projects_completed   projects with a ``completed_at``                      ``completed_at``
conversations        conversations                                         ``created_at``
messages             messages                                              ``time``
words                the ``words`` of messages                             ``time``
tokens               the ``tokens`` of messages, unknown ones as 0         ``time``
documents            documents                                             ``created_at``
document_bytes       the ``size`` of documents, as they are now            ``created_at``
accesses             accesses to documents                                 ``accessed_at``
repositories         repositories                                          ``created_at``
builds               builds, of any status                                 ``started_at``
succeeded_builds     builds that succeeded                                 ``started_at``
failed_builds        builds that failed                                    ``started_at``
deployments          deployments, of any status                            ``started_at``
failed_deployments   deployments that failed                               ``started_at``
commits              the ``commits`` of days of activity                   ``day``
lines_added          the ``added`` lines of days of activity               ``day``
lines_removed        the ``removed`` lines of days of activity             ``day``
==================== ===================================================== ==================

A ``day`` of activity is taken as a day of the time zone, whichever that is; it has no hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from sqlalchemy import Integer, String, case, cast, func, literal_column

from andamios_orm.exceptions import ValueRefused
from project_architect_db.models import (
    Build,
    Conversation,
    ConversationMessage,
    Deployment,
    Document,
    DocumentAccess,
    Project,
    Repository,
    RepositoryActivity,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["GRANULARITIES", "KINDS", "METRICS", "Granularity", "Kind", "Metric", "metric_of"]

Granularity = Literal["hour", "day", "week", "month", "quarter", "year"]
GRANULARITIES: Final[tuple[str, ...]] = get_args(Granularity)
"""How long a step of a series can be."""

_ONE: Final[ColumnElement[int]] = literal_column("1", Integer())
_NONE: Final[ColumnElement[str]] = literal_column("''", String())
_HIGHEST: Final = 90
"""Where the highest ten of scores begins, which has 100 in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A sum, out of the rows themselves: what is added, by which key and which moment."""

    name: str
    model: type[Any]
    moment: Any
    key: Any = _NONE
    amount: Any = _ONE
    is_kept: bool = True
    """Whether ``models.rollups`` keeps it by day."""

    @property
    def stays(self) -> bool:
        """Whether its rows stay in the sums that are kept, although their parent is deleted."""
        return not hasattr(self.model, "deleted_at")


def _tens(score: Any) -> ColumnElement[str]:
    """Return the tens that a score is among, as ``models.rollups`` names them."""
    return cast(case((score >= _HIGHEST, _HIGHEST), else_=score - score % 10), String)


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("project.status", Project, Project.created_at, cast(Project.status, String)),
        Kind("project.framework", Project, Project.created_at, Project.framework),
        Kind(
            "project.complexity",
            Project,
            Project.created_at,
            _tens(Project.complexity_score),
        ),
        Kind("project.completed", Project, Project.completed_at),
        Kind("conversation.phase", Conversation, Conversation.created_at, Conversation.phase),
        Kind(
            "message.role", ConversationMessage, ConversationMessage.time, ConversationMessage.role
        ),
        Kind(
            "message.words",
            ConversationMessage,
            ConversationMessage.time,
            ConversationMessage.role,
            ConversationMessage.words,
        ),
        Kind(
            "message.tokens",
            ConversationMessage,
            ConversationMessage.time,
            ConversationMessage.role,
            func.coalesce(ConversationMessage.tokens, 0),
        ),
        Kind("document.type", Document, Document.created_at, cast(Document.doc_type, String)),
        Kind(
            "document.bytes",
            Document,
            Document.created_at,
            cast(Document.doc_type, String),
            Document.size,
        ),
        Kind("document.access", DocumentAccess, DocumentAccess.accessed_at),
        Kind("build.status", Build, Build.started_at, cast(Build.status, String)),
        Kind(
            "deployment.status", Deployment, Deployment.started_at, cast(Deployment.status, String)
        ),
        Kind(
            "repository.type",
            Repository,
            Repository.created_at,
            cast(Repository.repo_type, String),
            is_kept=False,
        ),
        *(
            Kind(
                f"activity.{name}",
                RepositoryActivity,
                RepositoryActivity.day,
                amount=getattr(RepositoryActivity, name),
                is_kept=False,
            )
            for name in ("commits", "added", "removed")
        ),
    )
}
"""The sums there are, by name; the first part of a name is what it is about."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that can be counted by time: a kind of sum, of one key or of all."""

    name: str
    kind: str
    key: str | None = None


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("projects_created", "project.status"),
        Metric("projects_completed", "project.completed"),
        Metric("conversations", "conversation.phase"),
        Metric("messages", "message.role"),
        Metric("words", "message.words"),
        Metric("tokens", "message.tokens"),
        Metric("documents", "document.type"),
        Metric("document_bytes", "document.bytes"),
        Metric("accesses", "document.access"),
        Metric("repositories", "repository.type"),
        Metric("builds", "build.status"),
        Metric("succeeded_builds", "build.status", "succeeded"),
        Metric("failed_builds", "build.status", "failed"),
        Metric("deployments", "deployment.status"),
        Metric("failed_deployments", "deployment.status", "failed"),
        Metric("commits", "activity.commits"),
        Metric("lines_added", "activity.added"),
        Metric("lines_removed", "activity.removed"),
    )
}
"""What ``time_series_analysis`` can count, by name."""


def metric_of(name: Any, granularity: Any) -> Metric:
    """Return the metric with a name, for a series of steps of ``granularity``.

    Raises:
        ValueRefused: there is no such metric or granularity; the error names those there are.
            Or it is counted by day, and the steps are hours.
    """
    if granularity not in GRANULARITIES:
        raise ValueRefused(f"known are {', '.join(GRANULARITIES)}", granularity, "granularity")
    found = METRICS.get(name) if isinstance(name, str) else None
    if found is None:
        raise ValueRefused(f"known are {', '.join(METRICS)}", name, "metric")
    if granularity == "hour" and found.kind.startswith("activity."):
        raise ValueRefused(
            f"{name} are counted by day: pass {', '.join(GRANULARITIES[1:])}",
            granularity,
            "granularity",
        )
    return found
