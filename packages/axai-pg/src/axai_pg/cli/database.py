"""The commands for the database as a whole: made, and shown as it stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from andamios_orm.cli.running import command
from andamios_orm.core.lines import one_line
from andamios_orm.exceptions import DatabaseUnavailable
from andamios_orm.maintenance.advice import readable
from axai_pg.cli.place import cancelling, in_thread, on_connection, place_of
from axai_pg.isolation import IsolationRules, inspect_isolation
from axai_pg.migrations import Runner
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig
from axai_pg.utils.roles import SYSTEM
from axai_pg.utils.server import MAINTENANCE, connect, database_exists

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from andamios_orm.cli.running import Context
    from axai_pg.cli.place import Place

__all__ = ["COMMANDS", "State", "state_of"]

_ATTEMPTS: Final = 5
_MAY_COUNT: Final = """
SELECT to_regclass('organizations') IS NOT NULL AND EXISTS (
    SELECT FROM pg_roles WHERE rolname = %s AND pg_has_role(session_user, oid, 'MEMBER')
)
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM organizations), (SELECT count(*) FROM users),
    (SELECT count(*) FROM documents)
"""
_SERVER: Final = """
SELECT split_part(current_setting('server_version'), ' ', 1), pg_database_size(current_database())
"""


@dataclass(frozen=True, slots=True)
class State:
    """What there is, and the next useful command.

    Where there is no database yet, there is nothing but where it would be. ``counts`` are
    None where the login may not count; ``holes`` is how many the isolation has.
    """

    url: str
    origin: str
    next: str
    version: str | None = None
    size: int | None = None
    change: str | None = None
    pending: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    holes: int | None = None
    counts: dict[str, int] | None = None


@command(examples=["init", "init --wait 30", "init --sample-data"], watched=False)
@click.option(
    "--wait", metavar="SECONDS", type=click.FloatRange(0), default=0, help="For the server. [0]"
)
@click.option("--sample-data", is_flag=True, help="Load two small organisations as well.")
async def init_command(context: Context, *, wait: float, sample_data: bool) -> None:
    """Make the database, the roles of the cluster and the tables; what is there already stays.

    The login has to be a superuser's, or one that may make roles and databases.
    """
    place = place_of(context)
    settings = DatabaseInitializerConfig(
        place.config, wait_timeout=wait, retry_attempts=_ATTEMPTS if wait else 1
    )
    with DatabaseInitializer(settings) as initializer:
        made = await in_thread(initializer.create_database, initializer.cancel)
        if made:
            context.say(f"made {place.url}")
        done = await in_thread(initializer.apply_schema, initializer.cancel)
        if sample_data:
            manager = initializer.get_database_manager()
            manager.isolation.warned = True
            await in_thread(initializer.load_sample_data, cancelling(manager))
    context.show("changes", [{"change": name} for name in done], done)
    if not done:
        context.say("it was there already, and nothing was pending")
    context.say(f"next: {(await state_of(context, place)).next}")


@command(examples=["status", "status --json"], watched=False)
async def status_command(context: Context) -> None:
    """Show what there is, and what to do next; nothing is made."""
    state = await state_of(context, place_of(context))
    context.show("status", [asdict(state)], _lines(state))


async def state_of(context: Context, place: Place) -> State:
    """Return what there is in the database.

    Raises:
        DatabaseUnavailable: the server has not answered, or lets nobody in by this name.
    """
    try:
        return await on_connection(place, lambda connection: _state(context, place, connection))
    except DatabaseUnavailable as error:
        if not await in_thread(lambda: _is_missing(place)):
            raise _with_remedy(context, place, error) from error
    return State(place.url, place.origin, f"{context.program.name} init")


def _is_missing(place: Place) -> bool:
    """Return whether the server is there, and the database is not."""
    try:
        with connect(place.config, MAINTENANCE) as connection:
            return not database_exists(connection, place.config.database)
    except DatabaseUnavailable:
        return False


def _with_remedy(context: Context, place: Place, error: DatabaseUnavailable) -> DatabaseUnavailable:
    """Return what else one could do where nobody has said which database it is."""
    if place.origin != "default":
        return error
    return DatabaseUnavailable(
        f"there is no PostgreSQL at {place.url}, and nothing names another: pass --url, or set "
        f"{context.program.variables['url']}; {context.program.name} serve-test-db starts one",
        orig=error.orig,
    )


def _state(context: Context, place: Place, connection: psycopg.Connection[Any]) -> State:
    [(version, size)] = connection.execute(_SERVER).fetchall()
    status = Runner(connection, schema=place.config.schema).status()
    holes = None
    if not status.pending:
        rules = IsolationRules(schema=place.config.schema)
        holes = len(inspect_isolation(connection, rules))
    counts = _counts(connection)
    then = _next(status.deployed, status.pending, holes, counts)
    return State(
        place.url,
        place.origin,
        f"{context.program.name} {then}",
        version,
        size,
        status.current,
        status.pending,
        status.changed,
        holes,
        counts,
    )


def _counts(connection: psycopg.Connection[Any]) -> dict[str, int] | None:
    """Return how many rows there are of all organisations, if the login may know."""
    [(may,)] = connection.execute(_MAY_COUNT, [SYSTEM]).fetchall()
    if not may:
        return None
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL ROLE {SYSTEM}")
        [counts] = connection.execute(_COUNTS).fetchall()
    return dict(zip(("organisations", "users", "documents"), counts, strict=True))


def _next(
    deployed: tuple[str, ...],
    pending: tuple[str, ...],
    holes: int | None,
    counts: dict[str, int] | None,
) -> str:
    """Return what to call next."""
    if pending:
        return "migrate" if deployed else "init"
    if holes:
        return "check-isolation"
    return "stats" if counts is None or counts["organisations"] else "seed"


def _lines(state: State) -> Iterator[str]:
    """Yield what a person reads."""
    where = f"{state.url} ({state.origin})" if state.origin != "default" else state.url
    if state.size is None:
        yield f"{_named('database')}{where}: is not there yet"
    else:
        yield f"{_named('database')}{where}: {readable(state.size)}, PostgreSQL {state.version}"
        behind = f"; pending: {_several(state.pending)}" if state.pending else ", the newest"
        yield f"{_named('change')}{state.change or 'none'}{behind}"
        if state.changed:
            yield f"{_named('rewritten')}{', '.join(state.changed)}: the scripts are others now"
        if state.holes is not None:
            found = "no hole" if not state.holes else f"{state.holes} holes"
            yield f"{_named('isolation')}{found if state.holes != 1 else '1 hole'}"
        for name, count in (state.counts or {}).items():
            yield f"{_named(name)}{count:,}"
    yield ""
    yield f"next: {click.style(one_line(state.next), bold=True)}"


def _several(names: tuple[str, ...]) -> str:
    """Return the name, or how many there are and the last of them.

    >>> _several(("a",)), _several(("a", "b"))
    ('a', '2, up to b')
    """
    return names[-1] if len(names) == 1 else f"{len(names)}, up to {names[-1]}"


def _named(name: str) -> str:
    return click.style(name, bold=True) + " " * (16 - len(name))


COMMANDS: Final = {each.name: each for each in (status_command, init_command)}
