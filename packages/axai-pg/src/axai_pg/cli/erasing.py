"""The command that erases a person."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import rich_click as click
from sqlalchemy import func, or_, select

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from andamios_orm.exceptions import NotFound
from axai_pg.cli.archives import organization_id
from axai_pg.cli.place import managed, on_manager, place_of
from axai_pg.data.models import User
from axai_pg.data.privacy import erase_person

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.cli.running import Context
    from axai_pg.data.privacy import ErasureReport

__all__ = ["COMMANDS"]

_WAYS: Final = ("reassign", "erase")


@command(
    examples=[
        "erase-user Acme ben --documents reassign --to ana --dry-run",
        "erase-user Acme ben --documents erase --yes",
    ],
    destructive=True,
)
@click.argument("organization")
@click.argument("user")
@click.option(
    "--documents",
    type=click.Choice(_WAYS),
    required=True,
    help="What becomes of the user's documents and collections.",
)
@click.option("--to", "successor", metavar="USER", help="Who gets them, with reassign.")
@click.option("--dry-run", is_flag=True, help="Count what would be erased; erase nothing.")
async def erase_user_command(
    context: Context,
    organization: str,
    user: str,
    *,
    documents: Literal["reassign", "erase"],
    successor: str | None,
    dry_run: bool,
) -> None:
    """Erase what tells who USER of ORGANIZATION was; it asks before, and cannot be undone.

    Both users are named by key, user name or e-mail address. The row stays, and names nobody.
    """
    if (documents == "reassign") is (successor is None):
        raise click.UsageError("--documents reassign goes with --to USER, erase without it")
    reason = f"{context.program.name} erase-user"
    place = place_of(context)
    org_id = await on_manager(
        place, lambda manager, _tell: organization_id(manager, organization, reason=reason)
    )
    with managed(place) as manager:
        async with manager.async_session_scope(org_id=org_id) as session:
            person = await _user(session, user)
            to = None if successor is None else (await _user(session, successor)).id

        async def erase(*, dry_run: bool) -> ErasureReport:
            async with manager.async_session_scope(org_id=org_id) as session:
                return await erase_person(
                    session, person.id, documents=documents, reassign_to=to, dry_run=dry_run
                )

        with asked():
            report = await erase(dry_run=True)
            if report.counts and not dry_run:
                rows = sum(report.counts.values())
                context.confirm(f"this erases {person} from {rows} rows, for good")
                report = await erase(dry_run=False)
    _show(context, report)


@dataclass(frozen=True, slots=True)
class _Named:
    """A user, as whoever is asked about one can tell which it is."""

    id: uuid.UUID
    username: str
    email: str

    def __str__(self) -> str:
        return f"{self.username} <{self.email}>, {self.id},"


async def _user(session: AsyncSession, named: str) -> _Named:
    """Return the user who is named by the key, by the user name or by the address.

    What reads as a key is one. A user name is no address, so it is one user at most.

    Raises:
        NotFound: there is none.
    """
    try:
        is_named = User.id == uuid.UUID(named)
    except ValueError:
        is_named = or_(User.username == named, func.lower(User.email) == named.lower())
    statement = select(User.id, User.username, User.email).where(is_named)
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        raise NotFound(User.__name__, named)
    return _Named(*found)


def _show(context: Context, report: ErasureReport) -> None:
    """Print how many rows of each table it was, or would be."""
    rows = [{"table": name, "rows": count} for name, count in report.counts.items()]
    lines = [f"{count:>7,} {name}" for name, count in report.counts.items() if count]
    context.show(
        "erased",
        [{"user_id": str(report.user_id), "is_dry_run": report.is_dry_run, "tables": rows}],
        [*lines, f"user {report.user_id}"],
    )
    if report.was_erased:
        context.say("this user was erased before")
    if report.is_dry_run:
        context.say("nothing was erased" + (": this is what would be" if report.counts else ""))


COMMANDS: Final = {each.name: each for each in (erase_user_command,)}
