"""Whatever a caller passes, as a name or as a value, never becomes SQL, and breaks nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func
from tests.repositories.models import Country, Project

from andamios_orm import bulk
from andamios_orm.exceptions import AndamiosError, QueryRefused, ValueRefused
from andamios_orm.queries import Compare
from andamios_orm.repositories import AnalyticsRepository, BaseRepository

if TYPE_CHECKING:
    from tests.repositories.conftest import Statements

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db]

MARK = "evil_marker"
NOW = dt.datetime.now(dt.UTC)
TEXTS = [
    f"{MARK}",
    f"'; DROP TABLE projects; -- {MARK}",
    f'"; DROP TABLE projects; -- {MARK}',
    f"name) OR 1=1 -- {MARK}",
    f"name; {MARK}",
    f"name__{MARK}",
    f"__class__{MARK}",
    f"-{MARK}",
    f"--{MARK}",
    f"/* {MARK} */",
    f"$1 {MARK}",
    f":{MARK}",
    f"%({MARK})s",
    f"%s {MARK}",
    f"{{{MARK}}}",
    f"name.{MARK}",
    f"documents.{MARK}",
    f"$.{MARK}",
    f"$['{MARK}']",
    f"\\'{MARK}",
    f"{MARK}\0",
    f"{MARK}\ud800",
    f"{MARK}\u202e",
    f"{MARK}\n; DROP TABLE projects",
    f"{MARK}" * 50,
    f"E'\\x27{MARK}'",
    f"projects.name {MARK}",
    f"COPY projects TO '{MARK}'",
    f"read_csv('{MARK}')",
    f"${MARK}$ OR true",
]
VALUES: list[Any] = [
    *TEXTS,
    2**63,
    -(2**70),
    float("nan"),
    float("inf"),
    Decimal("1e400"),
    b"evil_marker",
    {MARK: 1},
    [MARK],
    (MARK,),
    {MARK},
    object(),
    True,
    lambda: MARK,
    Project,
]
Call = Callable[[Any, Any], Awaitable[Any]]


async def _drained(rows: Any) -> None:
    async for _ in rows:
        pass


def figures(projects: BaseRepository[Project]) -> AnalyticsRepository[Project]:
    """Return the repository for analytics on the same session."""
    return AnalyticsRepository(projects.session, Project)


def named(value: Any) -> Compare[Project]:
    """Return the condition that a project has the name ``value``."""
    return Compare("name", "eq", value)


NAMES: dict[str, Call] = {
    "create": lambda p, x: p.create({"name": "a", x: 1}),
    "add_many": lambda p, x: p.add_many([{x: 1}]),
    "update": lambda p, x: p.update(1, {x: 1}),
    "update_many": lambda p, x: p.update_many([{"id": 1, x: 1}]),
    "get_by_id name": lambda p, x: p.get_by_id({x: 1}),
    "upsert": lambda p, x: p.upsert({"name": "a", x: 1}, match_fields=["name"]),
    "upsert match": lambda p, x: p.upsert({"name": "a"}, match_fields=[x]),
    "upsert_many": lambda p, x: p.upsert_many([{"name": "a", x: 1}], match_fields=["name"]),
    "upsert_many match": lambda p, x: p.upsert_many([{"name": "a"}], match_fields=[x]),
    "get_or_upsert": lambda p, x: p.get_or_upsert({"name": "a", x: 1}, match_fields=["name"]),
    "get_or_upsert match": lambda p, x: p.get_or_upsert({"name": "a"}, match_fields=[x]),
    "add": lambda p, x: p.add({"name": "a", x: 1}),
    "get_or_create": lambda p, x: p.get_or_create(**{x: 1}),
    "list": lambda p, x: p.list(**{x: 1}),
    "list condition": lambda p, x: p.list(100, 0, x),
    "list order": lambda p, x: p.list(order_by=x),
    "list load": lambda p, x: p.list(load=[x]),
    "load": lambda p, x: p.load([{"name": "a", x: 1}]),
    "first": lambda p, x: p.first(order_by=[x]),
    "get": lambda p, x: p.get({x: 1}),
    "get_one_or_none": lambda p, x: p.get_one_or_none(**{x: 1}),
    "count": lambda p, x: p.count(**{x: 1}),
    "exists": lambda p, x: p.exists(**{x: 1}),
    "stream": lambda p, x: _drained(p.stream(order_by=x)),
    "get_one": lambda p, x: p.get_one(**{x: 1}),
    "delete_where": lambda p, x: p.delete_where(**{x: 1}),
    "get_and_update": lambda p, x: p.get_and_update({x: 1}, 1),
    "list_and_count": lambda p, x: p.list_and_count(order_by=x),
    "bulk_create": lambda p, x: p.bulk_create([{"name": "a", x: 1}]),
    "bulk_update": lambda p, x: p.bulk_update([{"id": 1, x: 1}]),
    "bulk_upsert": lambda p, x: p.bulk_upsert([{"name": "a", x: 1}], match_fields=["name"]),
    "bulk_upsert match": lambda p, x: p.bulk_upsert([{"name": "a"}], match_fields=[x]),
    "bulk_delete": lambda p, x: p.bulk_delete([{x: 1}]),
    "grouped": lambda p, x: figures(p).grouped(x, n=x),
    "aggregate": lambda p, x: figures(p).aggregate(n=x),
    "time_series": lambda p, x: figures(p).time_series(x),
    "time_series granularity": lambda p, x: figures(p).time_series("created_at", x),
    "time_series measure": lambda p, x: figures(p).time_series("created_at", measure=x),
    "arrow": lambda p, x: figures(p).arrow(x),
    "history": lambda p, x: p.history({x: 1}),
    "as_of": lambda p, x: p.as_of({x: 1}, NOW),
    "delete": lambda p, x: p.delete({x: 1}),
    "delete_many": lambda p, x: p.delete_many([{x: 1}]),
    "restore": lambda p, x: p.restore({x: 1}),
    "purge": lambda p, x: p.purge({x: 1}),
    "cached": lambda p, x: p.cached(tenant=x).list(**{x: 1}),
}
USES: dict[str, Call] = {
    "get": lambda p, x: p.get(x),
    "get_by_id": lambda p, x: p.get_by_id(x),
    "get_one": lambda p, x: p.get_one(x),
    "get_one_or_none": lambda p, x: p.get_one_or_none(name=x),
    "first": lambda p, x: p.first(name=x),
    "exists": lambda p, x: p.exists(name=x),
    "stream": lambda p, x: _drained(p.stream(name=x)),
    "stream batch": lambda p, x: _drained(p.stream(batch_size=x)),
    "list_and_count": lambda p, x: p.list_and_count(name=x),
    "get_and_update": lambda p, x: p.get_and_update({"stars": 0}, x),
    "get_or_create": lambda p, x: p.get_or_create(name=x),
    "get_or_upsert": lambda p, x: p.get_or_upsert(x, match_fields=["name"]),
    "add": lambda p, x: p.add(x),
    "add_many": lambda p, x: p.add_many([x]),
    "update_many": lambda p, x: p.update_many([{"id": x, "stars": 0}]),
    "upsert_many": lambda p, x: p.upsert_many([x], match_fields=["name"]),
    "as_of": lambda p, x: p.as_of(x, x),
    "load": lambda p, x: p.load([x]),
    "bulk_update": lambda p, x: p.bulk_update([{"id": x, "stars": 0}]),
    "bulk_upsert": lambda p, x: p.bulk_upsert([x], match_fields=["name"]),
    "grouped": lambda p, x: figures(p).grouped("name", named(x), n=func.count()),
    "aggregate": lambda p, x: figures(p).aggregate(named(x), n=func.count()),
    "time_series": lambda p, x: figures(p).time_series("created_at", "day", x),
    "arrow": lambda p, x: figures(p).arrow("name", conditions=[x]),
    "cached": lambda p, x: p.cached(tenant=x, ttl=x).list(name=x),
    "list": lambda p, x: p.list(name=x),
    "list stars": lambda p, x: p.list(stars__gt=x),
    "list like": lambda p, x: p.list(name__contains=x),
    "list in": lambda p, x: p.list(name__in=[x]),
    "limit": lambda p, x: p.list(limit=x),
    "offset": lambda p, x: p.list(offset=x),
    "count": lambda p, x: p.count(name=x),
    "update key": lambda p, x: p.update(x, {"name": "a"}),
    "version": lambda p, x: p.update(1, {"stars": 0}, version=x),
    "update": lambda p, x: p.update(1, x),
    "create": lambda p, x: p.create(x),
    "delete": lambda p, x: p.delete(x),
    "delete_many": lambda p, x: p.delete_many([x]),
    "delete_where": lambda p, x: p.delete_where(name=x),
    "restore": lambda p, x: p.restore(x),
    "purge": lambda p, x: p.purge(x),
    "upsert": lambda p, x: p.upsert(x, match_fields=["name"]),
    "history": lambda p, x: p.history(x),
    "bulk_delete": lambda p, x: p.bulk_delete([x]),
    "bulk_create": lambda p, x: p.bulk_create([x]),
}
STORED: list[Call] = [
    lambda p, x: p.create({"name": x}),
    lambda p, x: p.create({"name": "a", "stars": x}),
    lambda p, x: p.create({"name": "a", "budget": x}),
    lambda p, x: p.bulk_create([{"name": x}]),
]


FUNCTIONS: dict[str, Call] = {
    "bulk_create name": lambda s, x: bulk.bulk_create(s, Project, [{"name": "a", x: 1}]),
    "bulk_create value": lambda s, x: bulk.bulk_create(s, Project, [{"name": x}]),
    "bulk_create rows": lambda s, x: bulk.bulk_create(s, Project, x),
    "bulk_update name": lambda s, x: bulk.bulk_update(s, Project, [{"id": 1, x: 1}]),
    "bulk_update value": lambda s, x: bulk.bulk_update(s, Project, [{"id": 1, "stars": x}]),
    "bulk_update rows": lambda s, x: bulk.bulk_update(s, Project, x),
    "bulk_upsert match": lambda s, x: bulk.bulk_upsert(
        s, Project, [{"name": "a"}], match_fields=[x]
    ),
    "bulk_upsert value": lambda s, x: bulk.bulk_upsert(
        s, Project, [{"name": x}], match_fields=["name"]
    ),
    "bulk_delete": lambda s, x: bulk.bulk_delete(s, Project, [x]),
    "bulk_delete keys": lambda s, x: bulk.bulk_delete(s, Project, x),
    "load name": lambda s, x: bulk.load(s, Project, [{"name": "a", x: 1}]),
    "load value": lambda s, x: bulk.load(s, Project, [{"name": x}]),
    "load source": lambda s, x: bulk.load(s, Project, x),
    "load batch": lambda s, x: bulk.load(s, Project, [{"name": "a"}], batch_size=x),
    "load on_error": lambda s, x: bulk.load(s, Project, [{"name": "a"}], on_error=x),
    "load resume": lambda s, x: bulk.load(s, Project, [{"name": "a"}], atomic=False, resume=x),
}
SINGLE: dict[str, Call] = {
    "insert name": lambda d, x: d.insert(Project, {"name": "a", x: 1}),
    "insert value": lambda d, x: d.insert(Country, {"code": "xx", "name": x}),
    "insert values": lambda d, x: d.insert(Project, x),
    "insert table": lambda d, x: d.insert(Project.__table__, {"name": "a", x: 1}),
    "create name": lambda d, x: d.create(Project, {"name": "a", x: 1}),
    "create value": lambda d, x: d.create(Country, {"code": "xx", "name": x}),
    "create key": lambda d, x: d.create(Country, {"code": x, "name": "a"}),
}
NOT_ASKED = {
    *("before_create", "before_update", "before_delete", "on", "use", "without_middleware"),
    *("after_create", "after_update", "after_delete"),
    *("on_session", "run_alone", "transaction", "reading", "scope"),
    *("query", "uncached", "with_deleted"),
}
"""Methods that take functions, a session or nothing; ``query()`` has a corpus of its own."""


def test_the_corpus_is_large() -> None:
    assert len(TEXTS) * len(NAMES) + len(VALUES) * (len(USES) + len(STORED)) >= 100


@pytest.mark.parametrize("corpus", [NAMES, USES], ids=["names", "values"])
def test_every_method_that_takes_something_is_asked(corpus: dict[str, Call]) -> None:
    methods = {
        name
        for repository in (BaseRepository, AnalyticsRepository)
        for name in dir(repository)
        if not name.startswith("_") and callable(getattr(repository, name))
    }

    assert methods - {place.split()[0] for place in corpus} == NOT_ASKED


def test_every_function_for_many_rows_is_asked() -> None:
    asked = {name for name in bulk.__all__ if name[0].islower()}

    assert asked - {place.split()[0] for place in FUNCTIONS} == {"load_table"}


async def attempt(database: Database, call: Call, given: Any) -> None:
    """Try ``call`` in a transaction that is rolled back; nothing but typed errors comes out."""
    async with database.session() as session:
        with contextlib.suppress(AndamiosError, TypeError):
            await call(BaseRepository(session, Project), given)
        await session.rollback()


@pytest.fixture
async def filled(database: Database) -> Database:
    """Return the database with one project."""
    await BaseRepository(database, Project).create({"name": "kept"})
    return database


async def unchanged(database: Database) -> bool:
    """Return whether the one project is as it was."""
    rows = await BaseRepository(database, Project).list(with_deleted=True)
    return [(row.name, row.stars, row.version) for row in rows] == [("kept", 0, 1)]


@pytest.mark.parametrize("place", sorted(NAMES))
@pytest.mark.sampled(36)
async def test_a_hostile_name_is_refused_before_any_sql(
    filled: Database, statements: Statements, place: str
) -> None:
    for text in TEXTS:
        await attempt(filled, NAMES[place], text)

    assert not [text for text in statements.texts if MARK in text]
    assert await unchanged(filled)


@pytest.mark.parametrize("place", sorted(USES))
@pytest.mark.sampled(27)
async def test_a_hostile_value_stays_a_value(
    filled: Database, statements: Statements, place: str
) -> None:
    for value in VALUES:
        await attempt(filled, USES[place], value)

    assert not [text for text in statements.texts if MARK in text]
    assert await unchanged(filled)


@pytest.mark.parametrize("place", sorted(FUNCTIONS))
@pytest.mark.sampled(9)
async def test_a_function_for_many_rows_takes_nothing_for_sql(
    filled: Database, statements: Statements, place: str
) -> None:
    for value in VALUES:
        async with filled.session() as session:
            with contextlib.suppress(AndamiosError, TypeError):
                await FUNCTIONS[place](session, value)
            await session.rollback()

    assert not [text for text in statements.texts if MARK in text]
    assert await unchanged(filled)


@pytest.mark.parametrize("place", sorted(SINGLE))
@pytest.mark.sampled(9)
async def test_a_single_write_takes_nothing_for_sql(
    filled: Database, statements: Statements, place: str
) -> None:
    for value in VALUES:
        with contextlib.suppress(AndamiosError, TypeError):
            await SINGLE[place](filled, value)

    assert not [text for text in statements.texts if MARK in text]
    assert await unchanged(filled)


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.isidentifier()])
@pytest.mark.sampled(18)
async def test_a_name_of_a_result_is_an_identifier(filled: Database, text: str) -> None:
    figures = AnalyticsRepository(filled, Project)

    with pytest.raises(QueryRefused, match="is no name for a column"):
        await figures.aggregate(**{text: func.count()})


@pytest.mark.sampled(4)
@pytest.mark.parametrize("method", ["get_by_id", "delete", "purge", "restore", "get"])
async def test_an_expression_is_no_key(filled: Database, method: str) -> None:
    projects: Any = BaseRepository(filled, Project)
    call = getattr(projects, method)

    with pytest.raises(ValueRefused, match="a key is a value"):
        await call((Project.name,))


@pytest.mark.parametrize("call", range(len(STORED)))
@pytest.mark.slow
async def test_a_hostile_value_is_stored_as_it_is_or_refused(
    filled: Database, statements: Statements, call: int
) -> None:
    for value in VALUES:
        await attempt(filled, STORED[call], value)

    assert not [text for text in statements.texts if MARK in text]
    assert await unchanged(filled)


@pytest.mark.parametrize(
    "text", [text for text in TEXTS if "\0" not in text and "\ud800" not in text]
)
@pytest.mark.sampled(27)
async def test_text_comes_back_as_it_was(database: Database, text: str) -> None:
    countries = BaseRepository(database, Country)

    await countries.create({"code": "xx", "name": text})

    assert (await countries.get_one(name=text)).name == text
    assert (await countries.list(name__contains=text))[0].code == "xx"
