"""How many messages, words and tokens a conversation has, and when it had its last message.

The counts are exact in the transaction that writes messages. They are no change of the
conversation that an author could have made: its version stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, func, or_, select, update

from andamios_orm.core import record_batch
from andamios_orm.models.written import ColumnRows, WrittenRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow

__all__ = ["count_messages"]

_FEW: Final = 4
"""Conversations that get what was added; of more, and after other changes, all are counted."""
_AT_ONCE: Final = 1_000


def count_messages(
    connection: Connection,
    rows: Sequence[WrittenRow],
    conversations: type[Any],
    messages: type[Any],
) -> None:
    """Keep the counts of the conversations whose messages were written."""
    keys = _bulk_keys(rows)
    added: dict[int, list[Mapping[str, Any]]] = {}
    only_added = True
    if len(keys) <= _FEW:
        for row in rows:
            for values in row:
                if values is not None:
                    added.setdefault(values["conversation_id"], []).append(values)
            only_added = only_added and row.before is None
        keys = sorted(added)
    if only_added and len(keys) <= _FEW:
        for key in keys:
            connection.execute(_add(conversations, key, added[key]))
    else:
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            connection.execute(_recount(conversations, messages, part))
    record_batch(connection, conversations, "bulk_update", keys)


def _bulk_keys(rows: Sequence[WrittenRow]) -> list[int]:
    """Return the conversations of a bulk of new messages; none of any other rows."""
    after = rows.after if isinstance(rows, WrittenRows) and rows.before is None else None
    return sorted(set(after.columns["conversation_id"])) if isinstance(after, ColumnRows) else []


def _add(model: type[Any], key: int, added: Sequence[Mapping[str, Any]]) -> Any:
    """Return the statement that adds messages to the counts of one conversation."""
    table = model.__table__.c
    last = max(each["time"] for each in added)
    later = or_(table.last_message_at.is_(None), table.last_message_at < last)
    return (
        update(model.__table__)
        .where(table.id == key)
        .values(
            message_count=table.message_count + len(added),
            word_count=table.word_count + sum(each["words"] for each in added),
            token_count=table.token_count + sum(each["tokens"] or 0 for each in added),
            last_message_at=case((later, last), else_=table.last_message_at),
        )
    )


def _recount(model: type[Any], messages: type[Any], keys: Sequence[int]) -> Any:
    """Return the statement that counts all messages of some conversations."""
    table, message = model.__table__, messages.__table__
    counted = (
        select(
            table.c.id,
            func.count(message.c.id).label("messages"),
            func.coalesce(func.sum(message.c.words), 0).label("words"),
            func.coalesce(func.sum(message.c.tokens), 0).label("tokens"),
            func.max(message.c.time).label("last"),
        )
        .select_from(table.outerjoin(message, message.c.conversation_id == table.c.id))
        .where(table.c.id.in_(list(keys)))
        .group_by(table.c.id)
        .subquery()
    )
    return (
        update(table)
        .where(table.c.id == counted.c.id)
        .values(
            message_count=counted.c.messages,
            word_count=counted.c.words,
            token_count=counted.c.tokens,
            last_message_at=counted.c.last,
        )
    )
