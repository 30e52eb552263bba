"""Conversations about a project: messages in order, and the phases they went through."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, TypedDict

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from andamios_orm.models import UTCDateTime, derived
from andamios_orm.models.clock import now
from andamios_orm.models.staying import STAYS
from project_architect_db.models import counting, phases, rollups
from project_architect_db.models.base import Base
from project_architect_db.models.mixins import EntityMixin, IntegerKeyMixin
from project_architect_db.models.searching import search_index
from project_architect_db.models.texts import count_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow
    from project_architect_db.models.project import Project

__all__ = [
    "PHASES",
    "Conversation",
    "ConversationMessage",
    "ConversationPhase",
    "Message",
    "PhaseTime",
]

PHASES: Final = (
    "project_idea",
    "requirements",
    "architecture",
    "design",
    "implementation",
    "review",
    "deployment",
    "done",
)
"""The phases in order; a repository of one's own may have others."""

_COUNTED: Final = {"kept": "its messages are counted when they are written"}


class Message(TypedDict):
    """A message as it is read."""

    role: str
    content: str
    time: dt.datetime
    tokens: int | None


class PhaseTime(TypedDict):
    """A phase that a conversation went through; the one it is in has no end."""

    phase: str
    entered_at: dt.datetime
    left_at: dt.datetime | None
    seconds: float | None


class Conversation(EntityMixin, Base):
    """A talk about a project, in one phase at a time."""

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("length(phase) BETWEEN 1 AND 50", name="phase"),
        CheckConstraint("message_count >= 0", name="message_count"),
        Index("idx_conversation_project", "project_id"),
        Index("idx_conversation_source", "project_id", "source", duckdb_index=False),
        Index("idx_conversation_phase", "phase", duckdb_index=False),
        search_index("idx_conversation_search", "conversations"),
    )

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str | None] = mapped_column(String(255))
    source: Mapped[str | None] = mapped_column(String(255))
    """What it was imported from: a name that is the same in each import."""
    phase: Mapped[str] = mapped_column(String(50), default=PHASES[0], server_default=PHASES[0])
    phase_entered_at: Mapped[dt.datetime] = derived(
        "phase", lambda _phase: now(), UTCDateTime, given=True
    )
    message_count: Mapped[int] = mapped_column(default=0, server_default="0", info=_COUNTED)
    word_count: Mapped[int] = mapped_column(default=0, server_default="0", info=_COUNTED)
    token_count: Mapped[int] = mapped_column(default=0, server_default="0", info=_COUNTED)
    last_message_at: Mapped[dt.datetime | None] = mapped_column(info=_COUNTED)

    project: Mapped[Project] = relationship(back_populates="conversations")
    entries: Mapped[list[ConversationMessage]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="ConversationMessage.id"
    )
    """Its messages as rows; ``messages`` are the same as dicts."""
    past_phases: Mapped[list[ConversationPhase]] = relationship(
        cascade="all, delete-orphan", info=STAYS, order_by="ConversationPhase.id"
    )

    def __init__(self, *, messages: Iterable[Mapping[str, Any]] = (), **values: Any) -> None:
        """Make a conversation, with ``messages`` that are stored along with it."""
        super().__init__(**values)
        if messages:
            self.entries = [ConversationMessage(**message) for message in messages]

    @property
    def messages(self) -> list[Message]:
        """Its messages in order, as they go into JSON.

        Raises:
            NotLoaded: the entries were not loaded with the conversation.
        """
        return [entry.as_message() for entry in self.entries]

    @property
    def phase_history(self) -> list[PhaseTime]:
        """The phases it went through, in order, and the one it is in.

        Raises:
            NotLoaded: its past phases were not loaded with the conversation.
        """
        past = [each.as_phase_time() for each in self.past_phases]
        current: PhaseTime = {
            "phase": self.phase,
            "entered_at": self.phase_entered_at,
            "left_at": None,
            "seconds": None,
        }
        return [*past, current]

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Keep the phases that were left, and the sums over conversations."""
        phases.keep(connection, rows, ConversationPhase)
        rollups.keep(connection, rows, rollups.of_conversation)


class ConversationMessage(IntegerKeyMixin, Base):
    """One message: a row of its own, so that one more costs the same however many there are."""

    __tablename__ = "conversation_messages"
    __table_args__ = (
        CheckConstraint("length(role) BETWEEN 1 AND 50", name="role"),
        CheckConstraint("tokens >= 0", name="tokens"),
        Index("idx_message_conversation", "conversation_id"),
        search_index("idx_message_search", "conversation_messages"),
    )

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    role: Mapped[str] = mapped_column(String(50))
    author: Mapped[str | None] = mapped_column(String(255))
    """Who said it, where the role does not tell."""
    content: Mapped[str] = mapped_column(Text)
    time: Mapped[dt.datetime] = mapped_column(default=now)
    tokens: Mapped[int | None]
    words: Mapped[int] = derived("content", count_words)

    def as_message(self) -> Message:
        """Return it as it goes into JSON."""
        return {
            "role": self.role,
            "content": self.content,
            "time": self.time,
            "tokens": self.tokens,
        }

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Count the messages of their conversations."""
        counting.count_messages(connection, rows, Conversation, cls)
        rollups.keep(connection, rows, rollups.of_message)


class ConversationPhase(IntegerKeyMixin, Base):
    """A phase that a conversation has left."""

    __tablename__ = "conversation_phases"
    __table_args__ = (Index("idx_phase_conversation", "conversation_id"),)

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    phase: Mapped[str] = mapped_column(String(50))
    entered_at: Mapped[dt.datetime]
    left_at: Mapped[dt.datetime]
    seconds: Mapped[float]

    def as_phase_time(self) -> PhaseTime:
        """Return it as it goes into JSON."""
        return {
            "phase": self.phase,
            "entered_at": self.entered_at,
            "left_at": self.left_at,
            "seconds": self.seconds,
        }
