"""Conversations: their messages, one row each, and the phases that they go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import inspect

from andamios_orm.exceptions import ValueRefused
from andamios_orm.repositories import GenericRepository, operation
from andamios_orm.repositories.fields import Fields, Values, attributes_of, fields_of
from project_architect_db.models.conversation import PHASES, Conversation, ConversationMessage
from project_architect_db.repositories.analytics import AnalyticsRepository
from project_architect_db.repositories.base import BaseRepository

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from project_architect_db.repositories.analytics import Range
    from project_architect_db.schemas.analytics import ConversationMetrics

__all__ = ["ConversationRepository"]

_COUNTS = ("message_count", "word_count", "token_count", "last_message_at")


class ConversationRepository(BaseRepository[Conversation]):
    """Conversations, all of them or those of projects that a viewer sees.

    ``get`` and ``get_by_id`` load messages and past phases; lists and streams do not. A
    subclass may have other ``phases``, in its own order.
    """

    model = Conversation
    loaded_by_key: ClassVar[Sequence[str]] = ("entries", "past_phases")
    phases: ClassVar[Sequence[str]] = PHASES
    """The phases there are, in order."""

    @operation()
    async def get_by_project(
        self, project_id: int, limit: int | None = 100, offset: int = 0
    ) -> list[Conversation]:
        """Return conversations of a project, the newest first, a page at a time."""
        return await self.list(limit, offset, order_by="-created_at", project_id=project_id)

    @operation()
    async def get_by_phase(
        self, phase: str, limit: int | None = 100, offset: int = 0
    ) -> list[Conversation]:
        """Return conversations in a phase, those that are in it longest first.

        Raises:
            ValueRefused: there is no such phase; the error names those there are.
        """
        self._check_phase(phase)
        return await self.list(limit, offset, order_by="phase_entered_at", phase=phase)

    @operation()
    async def conversation_analytics(self, date_range: Range = None) -> ConversationMetrics:
        """Return in which phases conversations are, for how long, and what is said in them.

        ``date_range`` is as in ``AnalyticsRepository``; its dates are days in UTC.

        Raises:
            ValueRefused: there is no such range.
        """
        analytics = AnalyticsRepository(self.session, viewer=self.viewer, phases=self.phases)
        return await analytics.conversation_metrics(date_range)

    # ---- messages ---------------------------------------------------------------------

    @operation(writes=True)
    async def add_message(self, key: int, message: Values) -> ConversationMessage:
        """Return a message that was put at the end of a conversation.

        It costs the same however many messages there are. A message is a dict or a schema
        of role and content, and of time and tokens if they are known.

        Raises:
            NotFound: there is no such conversation.
            UnknownField: a message has no such part; the error lists those it has.
        """
        return (await self.add_messages(key, [message]))[0]

    @operation(writes=True)
    async def add_messages(self, key: int, messages: Iterable[Values]) -> list[ConversationMessage]:
        """Return messages that were put at the end of a conversation, in one flush.

        Raises:
            NotFound: there is no such conversation.
            UnknownField: a message has no such part; the error lists those it has.
        """
        conversation = await self._existing(key)
        entries = [ConversationMessage(**_parts(message)) for message in messages]
        if "entries" in vars(conversation):
            conversation.entries.extend(entries)
        for entry in entries:
            entry.conversation_id = key
        self.session.add_all(entries)
        await self.session.flush()
        await self._show_counts(conversation)
        return entries

    @operation(writes=True)
    async def update_message(
        self, key: int, message_id: int, values: Values
    ) -> ConversationMessage:
        """Return a message of a conversation, changed.

        Raises:
            NotFound: there is no such conversation, or no such message in it.
        """
        conversation = await self._existing(key)
        changes, _ = _message_fields().for_update(values)
        entry = await self._message(key, message_id)
        for name, value in changes.items():
            setattr(entry, name, value)
        await self.session.flush()
        await self._show_counts(conversation)
        return entry

    @operation(writes=True)
    async def delete_message(self, key: int, message_id: int) -> None:
        """Remove a message of a conversation for good.

        Raises:
            NotFound: there is no such conversation, or no such message in it.
        """
        conversation = await self._existing(key)
        entry = await self._message(key, message_id)
        if "entries" in vars(conversation):
            conversation.entries.remove(entry)
        await self.session.delete(entry)
        await self.session.flush()
        await self._show_counts(conversation)

    async def _message(self, key: int, message_id: int) -> ConversationMessage:
        messages = GenericRepository(self.session, ConversationMessage)
        return await messages.get_one(id=message_id, conversation_id=key)

    async def _show_counts(self, conversation: Conversation) -> None:
        """Let a conversation show its counts, which the database has already."""
        await self.session.refresh(conversation, _COUNTS)

    # ---- phases -----------------------------------------------------------------------

    @operation(writes=True)
    async def advance_phase(self, key: int, phase: str | None = None) -> Conversation:
        """Return a conversation in its next phase, or in ``phase``, with its phase history.

        Raises:
            NotFound: there is no such conversation.
            ValueRefused: there is no such phase, or it is in the last one.
        """
        conversation = await self._existing(key)
        await self._change([(conversation, {"phase": phase or self._next(conversation)}, None)])
        return await self.get(key, load=["past_phases"])

    def _next(self, conversation: Conversation) -> str:
        self._check_phase(conversation.phase)
        place = self.phases.index(conversation.phase) + 1
        if place == len(self.phases):
            raise ValueRefused("it is in its last phase already", conversation.phase, "phase")
        return self.phases[place]

    def _check_phase(self, phase: object) -> None:
        if phase not in self.phases:
            raise ValueRefused(f"known are {', '.join(self.phases)}", phase, "phase")

    # ---- conversations with messages ----------------------------------------------------

    def _new(self, values: Values | Conversation) -> Conversation:
        if isinstance(values, Conversation):
            return values
        given, explicit = attributes_of(values)
        rest = {name: given[name] for name in given if name in explicit and name != "messages"}
        messages = [_parts(message) for message in given.get("messages") or ()]
        return Conversation(messages=messages, **self.fields.for_create(rest))

    async def _create_alone(self, values: Values | Conversation) -> Conversation:
        conversation = self._new(values)
        if "entries" in vars(conversation):
            return await self.run_alone(lambda inner: inner._create(conversation), writes=True)  # noqa: SLF001 - its own class
        return await super()._create_alone(conversation)

    async def _insert(self, *instances: Conversation) -> None:
        for instance in instances:
            if instance.phase is not None:
                self._check_phase(instance.phase)
        await super()._insert(*instances)
        for instance in instances:
            if "entries" in vars(instance):
                await self._show_counts(instance)

    async def _change(self, changes: Sequence[tuple[Conversation, dict[str, Any], Any]]) -> None:
        for _, values, _ in changes:
            if "phase" in values:
                self._check_phase(values["phase"])
        await super()._change(changes)


def _message_fields() -> Fields:
    return fields_of(inspect(ConversationMessage))


def _parts(message: Values) -> dict[str, Any]:
    """Return the checked values of a new message; what is None is left to its default.

    Raises:
        UnknownField: a message has no such part; the error lists those it has.
    """
    given = attributes_of(message)[0].items()
    return _message_fields().for_create({name: each for name, each in given if each is not None})
