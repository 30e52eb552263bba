"""A long series of revisions, up and down on both systems, and killed at every statement."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from andamios_orm import Database
from andamios_orm.exceptions import MigrationFailed, MigrationRefused
from andamios_orm.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

pytestmark = [
    pytest.mark.integration,
    pytest.mark.db,
    # PostgreSQL before 18 stores what DuckDB only computes.
    pytest.mark.filterwarnings("ignore:Computed column .* is being created as 'STORED'"),
    pytest.mark.sampled(8),
]

CHILDREN: Final = Path(__file__).parent / "children"
SERIES: Final = Path(__file__).parent / "series"
HEAD: Final = "s27"
UP: Final = [f"s{number:02}" for number in range(1, 28)]
DOWN: Final = ["s26", "s25", *reversed(UP[:23]), "base"]
"""Where to go down to, one after another: at s25, its other branch is there as well."""

NAMES: Final = "SELECT table_name, name FROM andamios_migration.constraint_names"

Rows = list[tuple[Any, ...]]


def head_models(**info: Any) -> sa.MetaData:
    """Return tables as they are behind the last revision."""
    metadata = sa.MetaData(info=info)
    now = sa.func.now()
    sa.Table(
        "members",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("email", sa.String(80), nullable=False),
        sa.Column("name", sa.String(40), server_default="it's nobody", nullable=False),
        sa.Column("state", sa.String(10)),
        sa.Column("credit", sa.Integer, server_default=sa.text("10"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now),
        sa.Column("slug", sa.String(50), nullable=False),
        sa.CheckConstraint("credit >= 0", name="ck_accounts_balance"),
        sa.Index("ix_accounts_name", "name"),
        sa.Index("ix_accounts_lower_email", sa.text("lower(email)"), unique=True),
        sa.Index("ux_members_slug", "slug", unique=True),
        comment="who belongs",
    )
    sa.Table(
        "orders",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.BigInteger, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("parent_id", sa.BigInteger),
        sa.Column("number", sa.String(20), nullable=False),
        sa.Column(
            "total",
            sa.Numeric(12, 3),
            server_default="9.50",
            nullable=False,
            comment="with 10% tax",
        ),
        sa.Column("pieces", sa.Integer, server_default="1", nullable=False),
        sa.Column("placed_on", sa.Date, server_default=sa.text("CURRENT_DATE")),
        sa.Column("currency", sa.Integer, server_default="978", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=now),
        sa.Column("weight", sa.Integer, sa.Computed("pieces * 3")),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id")),
        sa.Index("ix_orders_account_id", "account_id", "placed_on"),
        sa.Index("ux_orders_number", "number", unique=True),
        sa.Index("ix_orders_quantity", "pieces"),
        sa.Index("ix_orders_total", "total", "id"),
    )
    sa.Table(
        "products",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("sku", sa.String(10), unique=True),
        sa.Column("name", sa.String(30), nullable=False, comment="as it's printed"),
        sa.Column("price", sa.Numeric(8, 2), server_default=sa.text("1 + 1")),
        sa.Column("active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.UniqueConstraint("code", name="uq_products_code"),
        sa.CheckConstraint("price >= 0", name="ck_products_price"),
        comment="what's sold: all of it",
    )
    numbers = sa.Sequence("ticket_numbers", metadata=metadata, start=100, increment=10)
    sa.Table(
        "requests",
        metadata,
        sa.Column(
            "number",
            sa.BigInteger,
            server_default=numbers.next_value(),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("member_id", sa.BigInteger, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("subject", sa.String(50), server_default="", nullable=False),
        sa.Column(
            "mood",
            postgresql.ENUM("calm", "cross", name="mood"),
            server_default="calm",
            nullable=False,
        ),
        sa.Index("ix_tickets_member_id", "member_id"),
        sa.Index("ix_tickets_mood", "mood", "number"),
    )
    sa.Table(
        "visits",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("member_id", sa.BigInteger, sa.ForeignKey("members.id"), index=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("length", sa.Interval),
        sa.Column("ticket", sa.BigInteger, sa.ForeignKey("requests.number"), server_default="110"),
        sa.Column("points", sa.Float, server_default="0.5", nullable=False),
    )
    return metadata


PRODUCTS: Final = [(1, 10, "s-1", 2), (2, 20, "s-2", 2), (3, 30, None, 2)]
ORDERS: Final = "SELECT id, {}, currency FROM orders ORDER BY id"
LABELS: Final = "SELECT {} FROM labels ORDER BY rank"
TAGS: Final = "SELECT text, rank, size, {} FROM tags ORDER BY rank"
TICKETS: Final = "SELECT number, member_id, {} FROM {} ORDER BY number"
IDS: Final = "SELECT {} FROM members WHERE id IN (1, 7) ORDER BY id"
VISITS: Final = "SELECT id, member_id, {} FROM visits ORDER BY id"

EXPECTED: Final[dict[str, list[tuple[str, Rows]]]] = {
    "s01": [
        (
            "SELECT id, name, balance, double_balance, status FROM accounts ORDER BY id",
            [
                (1, "Ann", 5, 10, "new"),
                (2, "Bob", 7, 14, "new"),
                (3, None, 0, 0, "new"),
                (4, "Dan's", 1, 2, "new"),
                (5, "Eve: 100%", 3, 6, "new"),
            ],
        ),
        ("SELECT count(*) FROM accounts WHERE created_at <= now()", [(5,)]),
    ],
    "s02": [
        (
            "SELECT id, account_id, parent_id, number, total, quantity FROM orders ORDER BY id",
            [
                (1, 1, None, "A-1", Decimal("9.50"), 2),
                (2, 2, None, "B-1", Decimal("9.50"), 4),
                (3, 1, 1, "A-2", Decimal("9.50"), 1),
            ],
        ),
    ],
    "s03": [
        ("SELECT id FROM orders WHERE account_id = 1 ORDER BY id", [(1,), (3,)]),
        ("SELECT id FROM accounts WHERE lower(email) = 'bob@x.org'", [(2,)]),
    ],
    "s04": [
        (ORDERS.format("note"), [(1, None, "EUR"), (2, None, "EUR"), (3, None, "EUR")]),
        ("SELECT count(*) FROM orders WHERE received_at <= now()", [(3,)]),
        ("SELECT count(*) FROM accounts WHERE seen_at <= now()", [(5,)]),
        ("SELECT zip FROM accounts WHERE zip > '1003' ORDER BY zip", [("1004",), ("1005",)]),
    ],
    "s05": [
        ("SELECT id, code, sku, price FROM products ORDER BY id", PRODUCTS),
        ("SELECT legacy, region, active FROM products WHERE id = 2", [(7, "eu", True)]),
        ("SELECT id, weight FROM orders ORDER BY id", [(1, 6), (2, 12), (3, 3)]),
    ],
    "s06": [
        ("SELECT pieces, weight FROM orders ORDER BY pieces", [(1, 3), (2, 6), (4, 12)]),
        ("SELECT double_balance FROM accounts WHERE credit = 7", [(14,)]),
        ("SELECT name FROM products ORDER BY id", [("Tea",), ("Jam",), ("Bun",)]),
    ],
    "s07": [
        ("SELECT name, zip, status FROM members WHERE id = 6", [("Fay", "1006", "new")]),
        ("SELECT name FROM orders JOIN members ON members.id = account_id WHERE orders.id = 2",
         [("Bob",)]),
    ],
    "s08": [
        ("SELECT zip FROM members WHERE zip > 1004 ORDER BY zip", [(1005,), (1006,)]),
        ("SELECT total, account_id FROM orders WHERE id = 3", [(Decimal("9.500"), 1)]),
    ],
    "s09": [
        ("SELECT name FROM members WHERE id = 3", [("unknown",)]),
        (ORDERS.format("note"), [(1, "n1", 978), (2, "n2", 840), (3, "n3", 978)]),
    ],
    "s10": [
        (
            "SELECT status, credit, double_balance, zip FROM members WHERE id > 5 ORDER BY id",
            [("new", 2, 4, 1006), (None, 10, 20, None)],
        ),
    ],
    "s11": [
        ("SELECT name FROM members WHERE id > 5 ORDER BY id", [("Fay",), ("it's nobody",)]),
        (IDS.format("id, credit"), [(1, 5), (7, 10)]),
        (ORDERS.format("pieces"), [(1, 2, 978), (2, 4, 840), (3, 1, 978)]),
    ],
    "s12": [("SELECT id, code, sku, price FROM products ORDER BY id", PRODUCTS)],
    "s13": [("SELECT id, product_id FROM orders ORDER BY id", [(1, 1), (2, 1), (3, None)])],
    "s14": [("SELECT id, product_id FROM orders ORDER BY id", [(1, 1), (2, 1), (3, None)])],
    "s15": [
        (
            LABELS.format("product_id, word, rank"),
            [(1, "hot", 1), (1, "green", 2), (2, "sweet", 3)],
        ),
    ],
    "s16": [(LABELS.format("word"), [("hot",), ("green",), ("sweet",)])],
    "s17": [(LABELS.format("word"), [("hot",), ("green",), ("sweet",)])],
    "s18": [(TICKETS.format("subject", "tickets"), [(100, 1, "Ann"), (110, 2, "Bob")])],
    "s19": [
        (TICKETS.format("CAST(mood AS VARCHAR)", "tickets"), [(100, 1, "calm"), (110, 2, "busy")])
    ],
    "s20": [
        (TICKETS.format("CAST(mood AS VARCHAR)", "tickets"), [(100, 1, "calm"), (110, 2, "cross")])
    ],
    "s21": [(TAGS.format("1"), [("hot!", 1, 3, 1), ("green!", 2, 3, 1)])],
    "s22": [
        (TAGS.format("color"), [("hot!", 1, 3, "red"), ("green!", 2, 3, "red")]),
        (IDS.format("state, slug"),
         [("new", None), (None, None)]),
    ],
    "s23": [
        ("SELECT slug FROM members ORDER BY id",
         [("ann",), ("bob",), ("unknown",), ("dan's",), ("eve: 100%",), ("fay",),
          ("it's nobody",)]),
    ],
    "s24": [("SELECT id FROM members WHERE slug = 'the-unknown'", [(3,)])],
    "s25": [(VISITS.format("score"), [(1, 5, 0.5), (2, 6, 0.5), (3, 7, 0.5)])],
    "s26": [(VISITS.format("score"), [(1, 5, 0.5), (2, 6, 0.5), (3, 7, 0.5)])],
    "s27": [
        (VISITS.format("points"), [(1, 5, 1.5), (2, 6, 0.5), (3, 7, 0.5)]),
        (TICKETS.format("CAST(mood AS VARCHAR)", "requests"),
         [(100, 1, "calm"), (110, 2, "cross")]),
        (IDS.format("id, name, state, credit, slug"),
         [(1, "Ann", "new", 5, "ann"), (7, "it's nobody", None, 10, "it's nobody")]),
        (ORDERS.format("weight"), [(1, 6, 978), (2, 12, 840), (3, 3, 978)]),
        ("SELECT id, code, sku, price FROM products ORDER BY id", PRODUCTS),
    ],
}  # fmt: skip
"""What is in the database behind each revision: queries and their rows."""


async def contents(database: Database, revision: str) -> list[tuple[str, Rows]]:
    """Return the queries of a revision with the rows that they find now."""
    async with database.engine.connect() as connection:
        return [
            (query, [tuple(row) for row in await connection.execute(sa.text(query))])
            for query, _ in EXPECTED.get(revision, [])
        ]


async def schema(database: Database) -> dict[str, Any]:
    """Return all that reflection finds, but for names of constraints and the order of columns."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(reflected)


def has_names(connection: Connection) -> bool:
    return sa.inspect(connection).has_table("constraint_names", "andamios_migration")


def reflected(connection: Connection) -> dict[str, Any]:
    there: Any = sa.inspect(connection)
    found: dict[str, Any] = {"sequences": sorted(there.get_sequence_names())}
    if connection.dialect.name == "duckdb":
        # SQLAlchemy lists no constraint by the name that a migration gave it.
        names = connection.execute(sa.text(NAMES)).all() if has_names(connection) else []
        found["names"] = sorted(map(tuple, names))
    found.update((f"type {each['name']}", each["labels"]) for each in there.get_enums())
    for table in there.get_table_names():
        if table.startswith("alembic_version"):
            continue
        found[f"{table} comment"] = there.get_table_comment(table)["text"]
        found[f"{table} key"] = there.get_pk_constraint(table)["constrained_columns"]
        uniques = there.get_unique_constraints(table)
        found[f"{table} uniques"] = sorted(each["column_names"] for each in uniques)
        checks = there.get_check_constraints(table)
        found[f"{table} checks"] = sorted(each["sqltext"] for each in checks)
        found[f"{table} keys"] = sorted(
            (each["constrained_columns"], each["referred_table"], each["referred_columns"])
            for each in there.get_foreign_keys(table)
        )
        for column in there.get_columns(table):
            found[f"{table}.{column['name']}"] = {
                "type": str(column["type"]),
                "nullable": column["nullable"],
                "default": column["default"],
                "computed": column.get("computed", {}).get("sqltext"),
                "comment": column["comment"],
            }
        for index in there.get_indexes(table):
            if not index.get("duplicates_constraint"):
                parts = index.get("expressions", index["column_names"])
                found[f"{table} {index['name']}"] = index["unique"], parts
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of migrations with the series in it."""
    folder = tmp_path / "migrations"
    shutil.copytree(SERIES, folder / "versions", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


async def go_up(database: Database, manager: MigrationManager) -> dict[str, dict[str, Any]]:
    """Go up revision by revision; return the schema behind each."""
    schemas = {"base": await schema(database)}
    for revision in UP:
        done = await manager.upgrade(revision)
        assert [each.id for each in done] == [revision]
        assert await contents(database, revision) == EXPECTED[revision]
        schemas[revision] = await schema(database)
    return schemas


async def go_down(
    database: Database, manager: MigrationManager, schemas: dict[str, dict[str, Any]]
) -> None:
    """Go down step by step, and assert that all is again as it was."""
    for revision in DOWN:
        await manager.downgrade(revision)
        assert await contents(database, revision) == EXPECTED.get(revision, [])
        assert await schema(database) == schemas[revision]


async def assert_head(database: Database, manager: MigrationManager) -> None:
    assert [each.id for each in await manager.current()] == [HEAD]
    assert await manager.check() == ()
    assert await manager.revision("x") is None
    assert await contents(database, HEAD) == EXPECTED[HEAD]


async def go_through(database: Database, models: sa.MetaData, folder: Path) -> None:
    """Go up, down and up again."""
    manager = MigrationManager(database, models, folder)
    schemas = await go_up(database, manager)
    await assert_head(database, manager)
    await go_down(database, manager, schemas)
    assert await manager.current() == ()
    done = await manager.upgrade()
    assert sorted(each.id for each in done) == UP
    assert await schema(database) == schemas[HEAD]
    await assert_head(database, manager)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_series_goes_up_and_down_and_up_again(database: Database, folder: Path) -> None:
    await go_through(database, head_models(), folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_series_goes_up_and_down_without_physical_keys(
    duckdb_database: Database, folder: Path
) -> None:
    await go_through(duckdb_database, head_models(duckdb_foreign_keys="none"), folder)


class Killer:
    """Upgrades a database in processes that are killed on the way."""

    def __init__(self, program: subprocess.Popen[str], url: str, folder: Path) -> None:
        self.program = program
        self.place = [url, str(folder)]

    async def upgrade(self, target: str, moment: str, number: int) -> bool:
        """Upgrade and be killed at the n-th change; return whether the target was reached."""
        job = json.dumps([*self.place, target, moment, number])
        status = int(await asyncio.to_thread(self._answer, job))
        assert status in {0, -signal.SIGKILL}
        return status == 0

    def _answer(self, job: str) -> str:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(f"{job}\n")
        self.program.stdin.flush()
        return self.program.stdout.readline()


@pytest.fixture
def killer(url: str, folder: Path) -> Iterator[Killer]:
    """Yield what kills upgrades of the database."""
    command = [sys.executable, str(CHILDREN / "upgrade_and_die.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        yield Killer(program, url, folder)
        assert program.stdin is not None
        program.stdin.close()


class Way(NamedTuple):
    """A revision, the ids that the database is at before and behind it, and the way back."""

    revision: str
    before: frozenset[str]
    behind: frozenset[str]
    back: str


def ways() -> list[Way]:
    """Return the way through all revisions, in their order."""
    found = []
    heads = frozenset[str]()
    for revision in UP:
        first, last = ("s25", "s25@-1") if revision == "s25" else (revision, "")
        behind = frozenset({"s24", first}) if last else frozenset({first})
        back = last or {"s26": "s25"}.get(revision, max(heads, default="base"))
        found.append(Way(revision, heads, behind, back))
        heads = behind
    return found


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_upgrade_that_is_killed_is_gone_or_there(
    url: str, folder: Path, killer: Killer, moment: str, rounds: Callable[[int, int, int], int]
) -> None:
    every, step = rounds(9, 8, 1), rounds(60, 20, 1)
    models = head_models()
    async with Database(url) as database:
        manager = MigrationManager(database, models, folder)
        schemas = await go_up(database, manager)
        await manager.downgrade("base")
    states = {way.behind: schemas[way.revision] for way in ways()}
    states[frozenset()] = schemas["base"]
    kills = 0

    for place, way in enumerate(ways()):
        if place % every:
            async with Database(url) as database:
                await MigrationManager(database, models, folder).upgrade(way.revision)
            continue
        for number in count(1, step):
            finished = await killer.upgrade(way.revision, moment, number)
            kills += not finished
            case = way.revision, number
            async with Database(url) as database:
                manager = MigrationManager(database, models, folder)
                heads = frozenset(each.id for each in await manager.current())
                assert heads in {way.before, way.behind}, case
                assert await schema(database) == states[heads], case
                if heads == way.behind:
                    assert await contents(database, way.revision) == EXPECTED[way.revision], case
                    if not finished:
                        await manager.downgrade(way.back)
            if finished:
                assert heads == way.behind
                break

    async with Database(url) as database:
        await assert_head(database, MigrationManager(database, models, folder))
    assert kills >= len(UP) // every


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_plain_duckdb_opens_the_file_at_the_head(duckdb_url: str, folder: Path) -> None:
    async with Database(duckdb_url) as database:
        await MigrationManager(database, head_models(), folder).upgrade()

    path = duckdb_url.partition("///")[2]
    with duckdb.connect(path) as connection:
        found = connection.execute("SELECT id, credit FROM members ORDER BY id").fetchall()
    assert found[0] == (1, 5)
    assert len(found) == 7


# ---- single revisions --------------------------------------------------------------------------

PARENT: Final = """
    op.create_table(
        "parents",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.Integer, server_default="3"),
    )
    op.create_table(
        "children",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("parent", sa.Integer, sa.ForeignKey("parents.id", name="fk_parent")),
        sa.Column("other", sa.Integer, sa.ForeignKey("parents.id", name="fk_other")),
    )
"""
COUNTED: Final = """
    op.create_table("counted", sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes revisions, each behind the one before, into a folder of its own."""

    def write(*upgrades: str) -> Path:
        versions = tmp_path / "short" / "versions"
        versions.mkdir(parents=True)
        for number, upgrade in enumerate(upgrades, 1):
            before = f"r{number - 1}" if number > 1 else None
            (versions / f"r{number}.py").write_text(
                f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = 'r{number}'\n"
                f"down_revision = {before!r}\n\n\ndef upgrade():\n    {upgrade.strip()}\n"
                f"\n\ndef downgrade():\n    pass\n"
            )
        return versions.parent

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        'op.rename_table("parents", "people")',
        'op.alter_column("parents", "id", new_column_name="number")',
    ],
    ids=["table", "column"],
)
async def test_a_key_keeps_its_name_when_what_it_refers_to_is_renamed(
    database: Database, write: Callable[..., Path], change: str
) -> None:
    drop = 'op.drop_constraint("fk_parent", "children", type_="foreignkey")'
    manager = MigrationManager(database, sa.MetaData(), write(PARENT, change, drop))

    await manager.upgrade()

    async with database.engine.connect() as connection:
        keys = await connection.run_sync(lambda sync: sa.inspect(sync).get_foreign_keys("children"))
    assert [key["constrained_columns"] for key in keys] == [["other"]]


@pytest.mark.slow
async def test_a_renamed_table_with_a_counted_key_does_not_differ(
    database: Database, write: Callable[..., Path]
) -> None:
    metadata = sa.MetaData()
    sa.Table("numbered", metadata, sa.Column("id", sa.Integer, primary_key=True))
    rename = 'op.rename_table("counted", "numbered")'
    manager = MigrationManager(database, metadata, write(COUNTED, rename))

    await manager.upgrade()

    assert await manager.check() == ()


async def test_a_table_that_is_dropped_by_its_name_leaves_no_sequence(
    database: Database, write: Callable[..., Path]
) -> None:
    drop = 'op.drop_table("counted")'
    manager = MigrationManager(database, sa.MetaData(), write(COUNTED, drop))

    await manager.upgrade()

    assert await manager.check() == ()


async def test_a_default_does_not_differ_when_its_column_was_widened(
    database: Database, write: Callable[..., Path]
) -> None:
    metadata = sa.MetaData()
    sa.Table("wide", metadata, sa.Column("size", sa.BigInteger, server_default="3"))
    create = 'op.create_table("wide", sa.Column("size", sa.Integer, server_default="3"))'
    widen = 'op.alter_column("wide", "size", type_=sa.BigInteger())'
    manager = MigrationManager(database, metadata, write(create, widen))

    await manager.upgrade()

    assert await manager.check() == ()


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), [("parents", "id"), ("children", "parent")])
async def test_a_column_of_a_key_is_widened_or_the_refusal_says_how(
    database: Database, write: Callable[..., Path], table: str, column: str
) -> None:
    widen = f'op.alter_column("{table}", "{column}", type_=sa.BigInteger())'
    manager = MigrationManager(database, sa.MetaData(), write(PARENT, widen))

    if database.engine.dialect.name == "duckdb":
        with pytest.raises(MigrationFailed, match=f"{table}.{column} is part of a foreign key of "):
            await manager.upgrade()
        return
    await manager.upgrade()
    async with database.engine.connect() as connection:
        found = await connection.run_sync(lambda sync: sa.inspect(sync).get_columns(table))
    types = {each["name"]: each["type"] for each in found}
    assert isinstance(types[column], sa.BigInteger)


async def test_one_step_down_from_two_newest_revisions_is_refused(url: str, folder: Path) -> None:
    async with Database(url) as database:
        manager = MigrationManager(database, head_models(), folder)
        await manager.upgrade("s24")
        await manager.upgrade("s25")

        with pytest.raises(
            MigrationRefused, match=r"the database is at s2., s2.: name the revision"
        ):
            await manager.downgrade("-1")


@pytest.mark.slow
async def test_a_sequence_of_the_models_that_fills_a_key_does_not_differ(
    database: Database, write: Callable[..., Path]
) -> None:
    metadata = sa.MetaData()
    numbers = sa.Sequence("numbers", metadata=metadata)
    default = numbers.next_value()
    sa.Table(
        "numbered", metadata, sa.Column("id", sa.Integer, primary_key=True, server_default=default)
    )
    create = """op.create_sequence("numbers")
    op.create_table(
        "numbered",
        sa.Column("id", sa.Integer, primary_key=True, server_default=sa.text("nextval('numbers')")),
    )"""
    manager = MigrationManager(database, metadata, write(create))

    await manager.upgrade()

    assert await manager.check() == ()
