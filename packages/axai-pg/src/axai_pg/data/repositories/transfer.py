"""Documents written down: one to a line, or as one list."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from sqlalchemy import text

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.isolation import IsolatedSession
from axai_pg.exceptions import OrganizationRequired

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Form", "checked_form", "note_export", "written"]

Form: TypeAlias = Literal["ndjson", "json"]
"""``ndjson`` is an object to a line, ``json`` one list of them."""
_NOTE = text("SELECT axai_note('export', jsonb_build_object('table', CAST(:table AS text)))")


def checked_form(form: str) -> Form:
    """Return a form in which documents are written.

    Raises:
        ValueRefused: it is none.
    """
    if form not in get_args(Form):
        raise ValueRefused(f"the forms are {' and '.join(get_args(Form))}", form, "form")
    return form  # type: ignore[return-value]  # it was just looked up among them


async def note_export(session: AsyncSession, table: str) -> None:
    """Leave in the audit log that rows of an organisation are written down.

    Raises:
        OrganizationRequired: the session is in none: what it sees may be of many.
    """
    isolated = session.sync_session
    if isinstance(isolated, IsolatedSession) and isolated.scope.org_id is None:
        raise OrganizationRequired(table)
    await session.execute(_NOTE, {"table": table})


async def written(
    rows: AsyncIterator[Any], names: Sequence[str], form: Form
) -> AsyncGenerator[str, None]:
    """Yield rows, as text in a form; each piece ends a line."""
    before = "[\n" if form == "json" else ""
    after = ",\n" if form == "json" else "\n"
    last: str | None = None
    async for row in rows:
        if last is not None:
            yield f"{before}{last}{after}"
            before = ""
        last = json.dumps(
            {name: getattr(row, name) for name in names}, ensure_ascii=False, default=_plain
        )
    if form == "json":
        yield f"{before}{'' if last is None else last + chr(10)}]\n"
    elif last is not None:
        yield f"{last}\n"


def _plain(value: object) -> str:
    """Return a value that JSON does not know as text."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    assert isinstance(value, uuid.UUID)  # noqa: S101 - no column has anything else
    return str(value)
