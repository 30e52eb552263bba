"""Statements about conversations: their phases, and when and how much is said in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    String,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    select,
)

from andamios_orm.queries.times import local_time, quarter_hour, seconds_between
from project_architect_db.analytics.quantiles import described, ninth_tenth
from project_architect_db.analytics.scope import at_least_zero, remembered
from project_architect_db.models import Conversation, ConversationMessage, ConversationPhase

if TYPE_CHECKING:
    from sqlalchemy import Select

    from project_architect_db.analytics.scope import Scope

__all__ = ["LENGTHS", "messages_per_conversation", "patterns", "phase_flow"]

LENGTHS: Final = {"0-9": 10, "10-49": 50, "50-199": 200, "200-999": 1_000, "1000+": None}
"""The lengths of messages: fewer words than this."""


@remembered
def messages_per_conversation(scope: Scope) -> Select[Any]:
    """Return the statement for how many messages conversations have: one distribution."""
    return select(*described(Conversation.message_count)).where(
        *scope.counts(Conversation), *scope.during(Conversation.created_at)
    )


@remembered
def phase_flow(scope: Scope, last_phase: str) -> Select[Any]:
    """Return the statement for stays in each phase, and for those who are in it now.

    Phase, a distribution of the stays; number of those in it, the sum of their
    seconds, and how many wait longer than p90.
    """
    chosen = [*scope.counts(Conversation), *scope.during(Conversation.created_at)]
    of_them = scope.counts(ConversationPhase)
    if scope.start is not None or scope.end is not None:
        of_them = [ConversationPhase.conversation_id.in_(select(Conversation.id).where(*chosen))]
    names = ("number", "mean", "both")
    figures = zip(described(ConversationPhase.seconds), names, strict=True)
    stays = (
        select(ConversationPhase.phase, *(figure.label(name) for figure, name in figures))
        .where(*of_them)
        .group_by(ConversationPhase.phase)
        .cte("stays")
    )
    waits = seconds_between(Conversation.phase_entered_at, literal(scope.as_of))
    is_overdue = and_(waits > ninth_tenth(stays.c.both), Conversation.phase != last_phase)
    waiting = (
        select(
            Conversation.phase,
            func.count().label("number"),
            cast(func.sum(at_least_zero(waits)), Double).label("seconds"),
            func.count(case((is_overdue, 1))).label("overdue"),
        )
        .select_from(Conversation)
        .join(stays, stays.c.phase == Conversation.phase, isouter=True)
        .where(*chosen)
        .group_by(Conversation.phase)
        .cte("waiting")
    )
    return select(
        func.coalesce(stays.c.phase, waiting.c.phase),
        *(func.coalesce(stays.c.number, 0), stays.c.mean, stays.c.both),
        func.coalesce(waiting.c.number, 0),
        func.coalesce(waiting.c.seconds, 0.0),
        func.coalesce(waiting.c.overdue, 0),
    ).select_from(stays.join(waiting, waiting.c.phase == stays.c.phase, full=True))


@remembered
def patterns(scope: Scope) -> Select[Any]:
    """Return the statement for the number of messages by hour, weekday (Monday is 1), length."""
    words = ConversationMessage.words
    length = case(
        *((words < limit, name) for name, limit in LENGTHS.items() if limit is not None),
        else_="1000+",
    )
    quarters = (
        select(
            quarter_hour(ConversationMessage.time).label("quarter"),
            cast(length, String).label("length"),
        )
        .where(*scope.counts(ConversationMessage), *scope.during(ConversationMessage.time))
        .subquery()
    )
    few = (
        select(quarters.c.quarter, quarters.c.length, func.count().label("number"))
        .group_by(quarters.c.quarter, quarters.c.length)
        .subquery()
    )
    time = local_time(few.c.quarter, scope.timezone)
    rows = select(
        cast(extract("hour", time), Integer).label("hour"),
        cast(extract("isodow", time), Integer).label("weekday"),
        few.c.length,
        few.c.number,
    ).subquery()
    by = (rows.c.hour, rows.c.weekday, rows.c.length)
    return select(*by, cast(func.sum(rows.c.number), BigInteger)).group_by(*by)
