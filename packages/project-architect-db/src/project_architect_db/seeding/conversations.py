"""Rows of conversations: their phases, and the messages that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Double, case, cast, column, func, literal, null, select

from project_architect_db.models.conversation import PHASES
from project_architect_db.seeding.chance import moment_of, whole
from project_architect_db.seeding.plan import DRAFTS
from project_architect_db.seeding.projects import ABANDONED, owner_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Subquery

    from project_architect_db.seeding.plan import Plan, Span

__all__ = ["conversation_rows", "message_rows", "phase_rows"]

_LAST: Final = len(PHASES) - 1


def _talks(plan: Plan, span: Span) -> Subquery:
    """Return the conversations of projects: when they started, how far they have come.

    ``left`` is how long they had, in working seconds, and ``reached`` the number of the
    phase they are in.
    """
    rows = plan.children("conversations", plan.lives(span))
    row = rows.c
    part = row.place * 10 + plan.draw(row.n, "start", 7)
    started = row.began + whole((row.ended - row.began) * part, row.siblings * 10)
    reached = case(
        (row.fate < DRAFTS, plan.draw(row.n, "draft", 2)),
        (row.over & (row.fate < ABANDONED), 1 + plan.draw(row.n, "abandoned", 5)),
        (row.over, case((plan.draw(row.n, "done", 100) < 85, _LAST), else_=_LAST - 1)),
        else_=plan.draw(row.n, "reached", _LAST),
    )
    rows = plan.with_columns(rows, started=started, reached=cast(reached, BigInteger))
    return plan.with_columns(rows, left=rows.c.ended - rows.c.started)


def _entered(plan: Plan, row: Any, phase: ColumnElement[int]) -> ColumnElement[int]:
    """Return when a conversation came to a phase, which is later than the one before."""
    part = phase * 100 + case((phase > 0, plan.draw(row.n * 8 + phase, "phase", 70)), else_=0)
    return row.started + whole(row.left * part, (row.reached + 1) * 100)  # type: ignore[no-any-return]  # of Any


def conversation_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of conversations, with the counts of their messages."""
    rows = _talks(plan, span)
    said = _messages(plan, span)
    counts = (
        select(
            said.c.parent,
            func.count().label("messages"),
            cast(func.sum(said.c.words), BigInteger).label("words"),
            cast(func.sum(said.c.tokens), BigInteger).label("tokens"),
            func.max(said.c.said).label("last"),
        )
        .group_by(said.c.parent)
        .subquery()
    )
    rows = plan.with_columns(rows, entered=_entered(plan, rows.c, rows.c.reached))
    rows = plan.chosen(rows, title=("openings", plan.place_in("openings", rows.c.n, "title")))
    rows = plan.joined(rows, counts, rows.c.n == counts.c.parent, isouter=True)
    row = rows.c
    return {
        "id": plan.key("conversations", row.n),
        "project_id": plan.key("projects", row.parent),
        "title": row.title_text,
        "source": null(),
        "phase": case(
            *((row.reached == at, name) for at, name in enumerate(PHASES[:-1])), else_=PHASES[-1]
        ),
        "phase_entered_at": plan.time(row.entered),
        "message_count": func.coalesce(row.messages, 0),
        "word_count": func.coalesce(row.words, 0),
        "token_count": func.coalesce(row.tokens, 0),
        "last_message_at": case((row.messages > 0, plan.time(row.last))),
        "created_at": plan.time(row.started),
        "updated_at": plan.time(
            func.greatest(row.entered, func.coalesce(row.last, 0), type_=BigInteger)
        ),
        "version": literal(1),
        "deleted_at": null(),
    }


def phase_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of the phases that conversations have left."""
    rows = _talks(plan, span)
    phases = func.generate_series(literal(0, BigInteger), literal(_LAST - 1, BigInteger))
    numbers = phases.table_valued(column("phase", BigInteger)).render_derived()
    rows = plan.joined(rows, numbers, numbers.c.phase < rows.c.reached)
    row = rows.c
    rows = plan.with_columns(
        rows,
        entered=_entered(plan, row, row.phase),
        next=_entered(plan, row, row.phase + 1),
        at=func.row_number().over(order_by=(row.n, row.phase)),
    )
    row = rows.c
    seconds = moment_of(row.next) - moment_of(row.entered)
    return {
        "id": plan.key("conversation_phases", cast(row["at"], BigInteger) - 1),
        "conversation_id": plan.key("conversations", row.n),
        "phase": case(
            *((row.phase == at, name) for at, name in enumerate(PHASES[:-2])), else_=PHASES[-2]
        ),
        "entered_at": plan.time(row.entered),
        "left_at": plan.time(row.next),
        "seconds": cast(seconds, Double),
    }


def _messages(plan: Plan, span: Span) -> Subquery:
    """Return messages with their texts, and what is counted of those."""
    rows = plan.children("messages", _talks(plan, span))
    row = rows.c
    part = row.place * 10 + plan.draw(row.n, "pause", 8)
    rows = plan.with_columns(
        rows,
        said=row.started + whole(row.left * part, row.siblings * 10),
        answers=row.place % 2,
    )
    row = rows.c
    person = owner_of(plan, row.project) + plan.draw(row.n, "author", 4) * 37
    rows = plan.chosen(
        rows,
        opening=("openings", plan.place_in("openings", row.n, "opening")),
        more=("paragraphs", plan.place_in("paragraphs", row.n, "more")),
        author=("people", person % plan.sizes["people"]),
    )
    row = rows.c
    is_long = (row.answers == 1) | (plan.draw(row.n, "long", 100) < 40)
    return plan.with_columns(
        rows,
        is_long=is_long,
        words=row.opening_words + case((is_long, row.more_words), else_=0),
        tokens=row.opening_tokens + case((is_long, row.more_tokens), else_=0),
    )


def message_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of messages: a person begins, then they take turns."""
    row = _messages(plan, span).c
    answers = row.answers == 1
    return {
        "id": plan.key("conversation_messages", row.n),
        "conversation_id": plan.key("conversations", row.parent),
        "role": case((answers, "assistant"), else_="user"),
        "author": case((answers, null()), else_=row.author_name),
        "content": case(
            (row.is_long, row.opening_text + " " + row.more_text), else_=row.opening_text
        ),
        "time": plan.time(row.said),
        "tokens": row.tokens,
        "words": row.words,
    }
