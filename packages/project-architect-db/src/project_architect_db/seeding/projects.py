"""Rows of projects, and of those who may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, cast, literal, null, true

from project_architect_db.models import Project
from project_architect_db.seeding.chance import DAY, whole
from project_architect_db.seeding.plan import DRAFTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from project_architect_db.seeding.plan import Plan, Span

__all__ = ["ABANDONED", "member_rows", "owner_of", "project_rows"]

ABANDONED: Final = 20
"""Projects of a hundred that do not come to their end."""
_ARCHIVED: Final = 74
"""From here on a project that is completed goes to the archive."""


def owner_of(plan: Plan, project: ColumnElement[int]) -> ColumnElement[int]:
    """Return who owns a project, by their place among the people: some have many."""
    return plan.skewed(project, "owner", plan.sizes["people"])


def project_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of projects."""
    rows = plan.lives(span)
    n = rows.c.n
    rows = plan.chosen(
        rows,
        title=("titles", plan.place_in("titles", n, "title")),
        owner=("people", owner_of(plan, n)),
        opening=("openings", plan.place_in("openings", n, "idea")),
        idea=("paragraphs", plan.place_in("paragraphs", n, "idea")),
        about=("openings", plan.place_in("openings", n, "about")),
        plan=("architectures", plan.place_in("architectures", n, "plan")),
    )
    row = rows.c
    status = _status(row)
    planned = case((status == "draft", plan.draw(row.n, "planned", 100) < 45), else_=true())
    began, ended = plan.time(row.began), plan.time(row.ended)
    completed = status.in_(("completed", "archived")) & (row.fate >= ABANDONED)
    touched = row.began + whole((row.ended - row.began) * plan.draw(row.n, "touched", 97), 100)
    return {
        "id": plan.key("projects", row.n),
        "name": row.title_name,
        "description": case((plan.draw(row.n, "described", 100) < 90, row.about_text)),
        "project_idea": row.opening_text + " " + row.idea_text,
        "architecture": cast(case((planned, row.plan_document)), Project.architecture.type),
        "status": status,
        "owner": row.owner_address,
        "source": null(),
        "is_sample": true(),
        "framework": case((planned, row.plan_framework)),
        "complexity_score": case((planned, row.plan_score)),
        "completed_at": case((completed, ended)),
        "created_at": began,
        "updated_at": case((row.over, ended), else_=plan.time(touched)),
        "version": literal(1),
        "deleted_at": null(),
    }


def _status(row: Any) -> ColumnElement[str]:
    """Return where a project is in its life."""
    return case(
        (row.fate < DRAFTS, "draft"),
        (row.over & (row.fate < ABANDONED), "archived"),
        (row.over & (row.fate >= _ARCHIVED), "archived"),
        (row.over, "completed"),
        (row.ended - row.began < DAY, "draft"),
        else_="active",
    )


def member_rows(plan: Plan, span: Span) -> Mapping[str, ColumnElement[Any]]:
    """Return the columns of the members of projects, none of them twice, none its owner."""
    rows = plan.children("members", plan.lives(span))
    row = rows.c
    person = (owner_of(plan, row.parent) + (row.place + 1) * 37) % plan.sizes["people"]
    rows = plan.chosen(rows, person=("people", person))
    row = rows.c
    joined = row.began + whole((row.ended - row.began) * plan.draw(row.n, "joined", 40), 100)
    return {
        "id": plan.key("project_members", row.n),
        "project_id": plan.key("projects", row.parent),
        "member": row.person_address,
        "role": case((plan.draw(row.n, "role", 100) < 15, "reviewer"), else_="member"),
        "added_at": plan.time(joined),
    }
