"""What a database is held against, and what is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Hole", "IsolationRules", "holes_as_table"]


@dataclass(frozen=True, slots=True)
class Hole:
    """A way around the isolation: where it is, what it lets through, and what closes it.

    ``statement`` is one or several SQL statements; a comment where no SQL helps.
    """

    where: str
    why: str
    statement: str


@dataclass(frozen=True, slots=True)
class IsolationRules:
    """How organisations are told apart in a schema; the defaults are those of this package.

    ``tenant_columns`` has the column of tables that do not call it ``tenant_column``.
    ``shared_tables`` hold no rows of organisations; of ``shared_keys``, the tables do, but their
    keys do not begin with one. ``services`` are the roles that act for one organisation at a
    time. ``reviewed_functions`` go around the policies and have been looked at: each with the
    types of its arguments, as PostgreSQL writes it, ``found(uuid,text)``; of another schema, with
    that before it.
    """

    schema: str = "public"
    tenant_column: str = "org_id"
    setting: str = "axai.org_id"
    policy: str = "axai_tenant"
    owner: str = "axai_owner"
    services: tuple[str, ...] = ("axai_app", "axai_audit_reader")
    tenant_columns: Mapping[str, str] = field(
        default_factory=lambda: {
            "organizations": "id",
            "andamios_changes": "tenant",
            "andamios_history": "tenant",
        }
    )
    shared_tables: frozenset[str] = frozenset({"andamios_followers"})
    shared_keys: frozenset[str] = frozenset(
        {"organizations", "andamios_changes", "andamios_history"}
    )
    reviewed_functions: frozenset[str] = frozenset(
        {"axai_find_documents(tsquery)", "axai_documents_with(jsonb)"}
    )


def holes_as_table(holes: Iterable[Hole]) -> str:
    r"""Return the holes as lines of text: where and why, and below it what closes it.

    >>> print(holes_as_table([Hole("table public.users", "no row security", "ALTER TABLE …;")]))
    where               why
    ------------------  ---------------
    table public.users  no row security
        ALTER TABLE …;
    >>> holes_as_table([])
    'no hole found'
    """
    found = list(holes)
    if not found:
        return "no hole found"
    width = max(5, *(len(hole.where) for hole in found))
    reasons = max(3, *(len(hole.why) for hole in found))
    lines = [f"{'where':<{width}}  why", f"{'-' * width}  {'-' * reasons}"]
    for hole in found:
        lines += [f"{hole.where:<{width}}  {hole.why}"]
        lines += [f"    {line}" for line in hole.statement.splitlines()]
    return "\n".join(lines)
