"""The contenders of axai_pg: one database of many organisations, and three ways to it.

``raw`` is psycopg alone, on a connection that is kept. ``without`` is SQLAlchemy on a pool and
driver like ours, by a role that no policy applies to. Both say themselves whose rows they want.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from andamios_orm import run
from andamios_orm.core import create_engine
from andamios_orm.exceptions import MissingExtra
from axai_pg import DatabaseManager, PostgresConnectionConfig, PostgresPoolConfig, migrations
from axai_pg.utils import DatabaseInitializer, DatabaseInitializerConfig
from axai_pg.utils.roles import grant_login
from benchmarks.axai_pg import seeding
from benchmarks.axai_pg.server import running, scratch
from benchmarks.keeping import KEPT, fingerprint

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from benchmarks.measure import Places, Scale, Values

__all__ = [
    "Contenders",
    "Place",
    "kept",
    "measured_on_server",
    "opened",
    "organizations",
]

DATABASE: Final = "documents"
SERVICE: Final = "bench_service"
"""The login of ours: an ordinary one."""
BYPASSING: Final = "bench_bypassing"
"""The login of the floors: it has the rights of ``axai_system``, and no policy applies to it."""
SAMPLED: Final = 2_000
SOURCES: Final = (
    *Path(str(migrations.__file__)).parent.glob("deploy/*.sql"),
    Path(seeding.__file__),
)
"""What seeded rows follow from."""


class Place(NamedTuple):
    """A document, whose it is, and a word of its title."""

    org_id: uuid.UUID
    id: uuid.UUID
    owner_id: uuid.UUID
    word: str


@dataclass(frozen=True, slots=True)
class Contenders:
    """Open connections to equal rows; ``places`` are documents at random, of all organisations.

    A large organisation is met as much more often as it has more documents.
    """

    raw: psycopg.AsyncConnection[Any]
    without: AsyncEngine
    manager: DatabaseManager
    places: tuple[Place, ...]

    @property
    def largest(self) -> uuid.UUID:
        """The organisation that most of the places are of."""
        ((org_id, _),) = Counter(place.org_id for place in self.places).most_common(1)
        return org_id

    def asked(self, *names: str, org_id: uuid.UUID | None = None) -> dict[str, Iterator[Place]]:
        """Return for each contender the places that it asks about, the same ones for all."""
        places = [place for place in self.places if org_id in {None, place.org_id}]
        return {name: itertools.cycle(places) for name in names}


def organizations(documents: int) -> int:
    """Return how many organisations have so many documents: 1,000 have a million."""
    return max(10, documents // 1_000)


def kept(documents: int) -> Path:
    """Return the folder of a server with so many documents; it is seeded once, and kept.

    It is seeded anew, in place of the one before, when the tables or the seeding have changed.
    """
    path = KEPT / f"axai-{documents}-{fingerprint(SOURCES)}"
    if not path.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT.glob(f"axai-{documents}-*"):
            shutil.rmtree(outdated)
        unfinished = path.with_name(f"{path.name}.unfinished")
        with scratch() as folder:
            with running(folder) as config:
                _set_up(dataclasses.replace(config, database=DATABASE), documents)
            shutil.move(folder / "data", unfinished)
        unfinished.rename(path)
    return path


def _set_up(config: PostgresConnectionConfig, documents: int) -> None:
    with DatabaseInitializer(DatabaseInitializerConfig(config)) as initializer:
        initializer.setup_database()
    with psycopg.connect(_plain(config), autocommit=True) as connection:
        seeding.seed(connection, documents, organizations(documents))
        connection.execute(f"CREATE ROLE {SERVICE} LOGIN")
        connection.execute(f"CREATE ROLE {BYPASSING} LOGIN BYPASSRLS IN ROLE axai_system")
        grant_login(connection, SERVICE)


def _plain(config: PostgresConnectionConfig) -> str:
    return config.url.set(drivername="postgresql").render_as_string(hide_password=False)


def measured_on_server(
    measure: Callable[[Scale], Coroutine[Any, Any, dict[str, dict[str, Values]]]], scale: Scale
) -> dict[str, Places]:
    """Return what ``measure`` finds, by figure; nothing where there is no PostgreSQL."""
    try:
        found = run(measure(scale))
    except MissingExtra as error:
        print(f"axai_pg is left out: {error}", file=sys.stderr)
        return {}
    return {name: {"postgresql": times} for name, times in found.items()}


@asynccontextmanager
async def opened(documents: int) -> AsyncIterator[Contenders]:
    """Yield the contenders on a copy of the documents that are kept."""
    data = kept(documents)
    with scratch() as folder, running(folder, data) as server:
        config = dataclasses.replace(server, database=DATABASE)
        bypassing = dataclasses.replace(config, username=BYPASSING)
        manager = DatabaseManager(dataclasses.replace(config, username=SERVICE))
        without = create_engine(PostgresPoolConfig().settings(bypassing.url))
        raw = await psycopg.AsyncConnection.connect(_plain(bypassing))
        try:
            yield Contenders(raw, without, manager, await _places(raw, documents))
        finally:
            await raw.close()
            await without.dispose()
            manager.dispose()


async def _places(raw: psycopg.AsyncConnection[Any], documents: int) -> tuple[Place, ...]:
    """Return documents in an order at random, the same each time."""
    cursor = await raw.execute(
        "SELECT org_id, id, owner_id, split_part(title, ' ', 3) FROM documents "
        "WHERE deleted_at IS NULL ORDER BY md5(content_hash || id::text) LIMIT %s",
        [min(SAMPLED, documents)],
    )
    found = tuple(Place(*row) for row in await cursor.fetchall())
    await raw.commit()
    return found
