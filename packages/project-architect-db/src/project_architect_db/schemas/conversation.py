"""What callers say of conversations, and what they are told."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

from pydantic import Field, PositiveInt, field_validator

from project_architect_db.models.conversation import PHASES
from project_architect_db.schemas.common import BaseSchema, Content, TimestampSchema

__all__ = [
    "Conversation",
    "ConversationBase",
    "ConversationCreate",
    "ConversationSchema",
    "ConversationSummary",
    "ConversationUpdate",
    "MessageCreate",
    "MessageSchema",
    "MessageUpdate",
    "PhaseTimeSchema",
]


def _aware(moment: dt.datetime | None) -> dt.datetime | None:
    if moment is not None and moment.utcoffset() is None:
        raise ValueError("it has no time zone: write 2026-01-01T12:00:00Z")
    return moment


class MessageCreate(BaseSchema):
    """A new message; its time is now unless it is said."""

    role: str = Field(min_length=1, max_length=50)
    content: Content
    time: dt.datetime | None = None
    tokens: int | None = Field(default=None, ge=0)

    check_time = field_validator("time")(_aware)


class MessageUpdate(BaseSchema):
    """What may change of a message."""

    role: str | None = Field(default=None, min_length=1, max_length=50)
    content: Content | None = None
    tokens: int | None = Field(default=None, ge=0)


class MessageSchema(BaseSchema):
    """A message as it is read."""

    role: str
    content: Content
    time: dt.datetime
    tokens: int | None = None


class PhaseTimeSchema(BaseSchema):
    """A phase of a conversation, from when to when; the current one has no end."""

    phase: str
    entered_at: dt.datetime
    left_at: dt.datetime | None = None
    seconds: float | None = None


class ConversationBase(BaseSchema):
    """What a conversation says of itself."""

    title: str | None = Field(default=None, max_length=255)
    phase: str = Field(default=PHASES[0], min_length=1, max_length=50)


class ConversationCreate(ConversationBase):
    """A new conversation, with the messages it begins with."""

    project_id: PositiveInt
    messages: list[MessageCreate] = Field(default_factory=list)


class ConversationUpdate(BaseSchema):
    """What may change of a conversation; what is not set stays as it is."""

    title: str | None = Field(default=None, max_length=255)
    phase: str | None = Field(default=None, min_length=1, max_length=50)
    version: int | None = None


class ConversationSummary(TimestampSchema):
    """A conversation in a list."""

    id: int
    project_id: int
    title: str | None
    phase: str
    message_count: int
    last_message_at: dt.datetime | None


class Conversation(ConversationBase, TimestampSchema):
    """A conversation as it is read."""

    id: int
    project_id: int
    version: int
    message_count: int
    word_count: int
    token_count: int
    last_message_at: dt.datetime | None
    phase_entered_at: dt.datetime
    messages: list[MessageSchema]
    phase_history: list[PhaseTimeSchema]


ConversationSchema: TypeAlias = Conversation
"""The same, by a name that no model has."""
