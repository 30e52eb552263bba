"""What is in the index: one entry for each row and message, and where it came from."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal, null, select

from project_architect_db.models import (
    Conversation,
    ConversationMessage,
    Document,
    Project,
    Repository,
)
from project_architect_db.search.words import TEXT

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Row, Select

__all__ = ["ENTITIES", "MODELS", "Entry", "Kind", "entries", "entry_of", "live"]


class Kind(enum.StrEnum):
    """What an entry is of."""

    PROJECT = "project"
    CONVERSATION = "conversation"
    MESSAGE = "message"
    DOCUMENT = "document"
    REPOSITORY = "repository"


MODELS: Final[Mapping[Kind, type[Any]]] = {
    Kind.PROJECT: Project,
    Kind.CONVERSATION: Conversation,
    Kind.MESSAGE: ConversationMessage,
    Kind.DOCUMENT: Document,
    Kind.REPOSITORY: Repository,
}
"""The model of each kind, those first that others belong to."""
ENTITIES: Final[Mapping[str, Kind]] = {model.__tablename__: kind for kind, model in MODELS.items()}
"""The kind by the name under which changes of the model are recorded."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row or a message, with what is searched and what is shown of it."""

    kind: str
    id: int
    project_id: int
    conversation_id: int | None
    title: str
    path: str
    """What is found like a title, and not shown."""
    text: str
    created_at: dt.datetime
    changed_at: dt.datetime
    doc_type: str | None

    @property
    def uid(self) -> str:
        """Its name in the index."""
        return f"{self.kind}:{self.id}"


def live(kind: Kind) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a row is there, and all that it belongs to.

    They are about ``Project``, and for messages ``Conversation``, which are to be joined.
    """
    models = {Project, MODELS[kind]} | ({Conversation} if kind is Kind.MESSAGE else set())
    return tuple(
        model.deleted_at.is_(None)
        for model in MODELS.values()
        if model in models and model is not ConversationMessage
    )


def entries(kind: Kind) -> Select[Any]:
    """Return the statement for the entries of a kind, in the columns of ``Entry``."""
    return _joined(kind, _STATEMENTS[kind]()).where(*live(kind))


def entry_of(row: Row[Any]) -> Entry:
    """Return the entry that a row of ``entries()`` describes."""
    values: tuple[Any, ...] = tuple(row)
    kind, key, project, conversation, title, path, text, created, changed, doc_type = values
    return Entry(
        kind, key, project, conversation, title or "", path or "", text or "",
        created, changed, None if doc_type is None else str(doc_type),
    )  # fmt: skip


def _joined(kind: Kind, statement: Select[Any]) -> Select[Any]:
    if kind is Kind.PROJECT:
        return statement
    if kind is Kind.MESSAGE:
        own = ConversationMessage.conversation_id == Conversation.id
        statement = statement.join(Conversation, own)
        return statement.join(Project, Conversation.project_id == Project.id)
    return statement.join(Project, MODELS[kind].project_id == Project.id)


def _text(*parts: Any) -> Any:
    """Return the first part of what several columns say, one below the other."""
    return func.left(func.concat_ws("\n", *parts), TEXT)


def _projects() -> Any:
    text = _text(Project.description, Project.project_idea, Project.framework)
    return select(
        literal(Kind.PROJECT.value), Project.id, Project.id, null(), Project.name, null(), text,
        Project.created_at, Project.updated_at, null(),
    )  # fmt: skip


def _conversations() -> Any:
    return select(
        literal(Kind.CONVERSATION.value), Conversation.id, Conversation.project_id,
        Conversation.id, Conversation.title, null(), null(),
        Conversation.created_at, Conversation.updated_at, null(),
    )  # fmt: skip


def _messages() -> Any:
    message = ConversationMessage
    return select(
        literal(Kind.MESSAGE.value), message.id, Conversation.project_id, Conversation.id,
        Conversation.title, null(), func.left(message.content, TEXT),
        Conversation.created_at, message.time, null(),
    )  # fmt: skip


def _documents() -> Any:
    return select(
        literal(Kind.DOCUMENT.value), Document.id, Document.project_id, null(), Document.name,
        Document.file_path, func.left(Document.content, TEXT),
        Document.created_at, Document.changed_at, Document.doc_type,
    )  # fmt: skip


def _repositories() -> Any:
    text = _text(Repository.description, Repository.language)
    return select(
        literal(Kind.REPOSITORY.value), Repository.id, Repository.project_id, null(),
        Repository.name, Repository.github_url, text,
        Repository.created_at, Repository.updated_at, null(),
    )  # fmt: skip


_STATEMENTS: Final = {
    Kind.PROJECT: _projects,
    Kind.CONVERSATION: _conversations,
    Kind.MESSAGE: _messages,
    Kind.DOCUMENT: _documents,
    Kind.REPOSITORY: _repositories,
}
