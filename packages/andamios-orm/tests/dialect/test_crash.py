"""What is left of a file when the process that writes it is killed."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    Acknowledged = defaultdict[str, set[int]]

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

logger = logging.getLogger(__name__)

CHILDREN = Path(__file__).parent / "children"
PARTS = 20
FINAL = ["id", "n", "made", "note"]
"""The columns of a table when the transaction that makes it has committed."""

LONG = pytest.mark.timeout(1800)
RESTLESS = {"checkpoint_threshold": "16KB"}
"""Makes DuckDB rewrite the file every few transactions, so that kills hit that as well."""


# ---- killed while writing ----------------------------------------------------


@LONG
@pytest.mark.parametrize(
    "choices",
    [(2, 2, 2), pytest.param((2, 20, 200), marks=[pytest.mark.slow])],
    ids=["few", "many"],
)
@pytest.mark.slow
async def test_what_was_acknowledged_survives_kill(
    tmp_path: Path, rounds: Callable[..., int], choices: tuple[int, ...]
) -> None:
    await kill_in_rounds(tmp_path / "ledger.duckdb", rounds(*choices))


@LONG
@pytest.mark.parametrize(
    "choices", [(1, 1, 1), pytest.param((2, 10, 50), marks=[pytest.mark.slow])], ids=["few", "many"]
)
@pytest.mark.slow
async def test_what_was_acknowledged_survives_kill_among_schema_changes(
    tmp_path: Path, rounds: Callable[..., int], choices: tuple[int, ...]
) -> None:
    await kill_in_rounds(tmp_path / "ledger.duckdb", rounds(*choices), "ddl")


async def kill_in_rounds(path: Path, count: int, *arguments: str) -> None:
    """Kill ``count`` writers of one file, one after another, and look at it after each."""
    seed = time.time_ns()
    logger.warning("seed %d", seed)
    chance = random.Random(seed)
    acknowledged: Acknowledged = defaultdict(set)
    unseen = 0
    for number in range(1, count + 1):
        url = f"duckdb:///{path}"
        if chance.random() < 0.5:
            url += "?" + "&".join(f"{key}={value}" for key, value in RESTLESS.items())
        before = sum(map(len, acknowledged.values()))
        # Now and then, the next writer finds a file that nobody has closed since the kill,
        # and is killed while it opens it.
        early = number > 1 and chance.random() < 0.2
        delay = chance.uniform(0.2, 0.7) if early else chance.uniform(0.02, 0.5)
        await asyncio.to_thread(
            run_until_killed,
            [url, str(number * 1_000_000), *arguments],
            delay,
            acknowledged,
            early=early,
            at_least=3 if count <= 2 else 0,  # so few rounds have to show something
        )
        unseen += sum(map(len, acknowledged.values())) - before
        if number == count or chance.random() < 0.7:
            await look(path, acknowledged)
    logger.warning("%d acknowledgements in %d rounds", unseen, count)
    assert unseen > count, "the writers were killed before they wrote anything"


def run_until_killed(
    arguments: list[str],
    delay: float,
    acknowledged: Acknowledged,
    *,
    early: bool,
    at_least: int,
) -> None:
    """Start a writer, kill it after ``delay`` and add what it has acknowledged.

    The time begins when it is ready and has acknowledged ``at_least`` so many writes, or,
    ``early``, when its process begins.
    """
    command = [sys.executable, str(CHILDREN / "write_until_killed.py"), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        if not early:
            assert child.stdout.readline().startswith("ready"), child.communicate()[1]
        first = "".join(child.stdout.readline() for _ in range(at_least))
        time.sleep(delay)
        child.kill()
        output, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors
    for line in (first + output).splitlines():
        step, number = line.split()
        acknowledged[step].add(int(number))


async def look(path: Path, acknowledged: Acknowledged) -> None:
    """Assert that nothing acknowledged is missing and nothing is half there."""
    engine = create_async_engine(f"duckdb:///{path}")
    try:
        async with engine.connect() as connection:
            await look_at_rows(connection, acknowledged)
            await look_at_tables(connection, acknowledged)
        if acknowledged["single"]:
            with pytest.raises(sa_exc.IntegrityError):
                async with engine.begin() as connection:
                    known = {"n": max(acknowledged["single"])}
                    await connection.execute(text("INSERT INTO singles VALUES (:n)"), known)
    finally:
        await engine.dispose()


async def look_at_rows(connection: AsyncConnection, acknowledged: Acknowledged) -> None:
    async def numbers(query: str) -> set[int]:
        return set((await connection.scalars(text(query))).all())

    assert acknowledged["single"] <= await numbers("SELECT n FROM singles")
    assert acknowledged["batch"] <= await numbers("SELECT n FROM batches")
    assert acknowledged["pair"] <= await numbers("SELECT n FROM debits")
    half = f"SELECT n FROM batches GROUP BY n HAVING count(*) <> {PARTS}"
    assert await numbers(half) == set()
    assert await numbers("SELECT n FROM debits") == await numbers("SELECT n FROM credits")
    assert await numbers("SELECT n FROM credits WHERE filler <> repeat(n::VARCHAR, 200)") == set()


async def look_at_tables(connection: AsyncConnection, acknowledged: Acknowledged) -> None:
    found: dict[int, list[str]] = defaultdict(list)
    rows = await connection.execute(
        text(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_name LIKE 'made\\_%' ESCAPE '\\' ORDER BY table_name, ordinal_position"
        )
    )
    for table, column in rows:
        found[int(table.removeprefix("made_"))].append(column)
    assert acknowledged["made"] - acknowledged["dropping"] <= set(found)
    assert not acknowledged["dropped"] & set(found)
    indexes = set((await connection.scalars(text("SELECT index_name FROM duckdb_indexes()"))).all())
    for number, columns in found.items():
        assert columns in (FINAL, [*FINAL, "added"]), number
        assert "added" in columns or number not in acknowledged["added"], number
        assert f"made_{number}_n" in indexes
        content = await connection.execute(text(f"SELECT n, note FROM made_{number} ORDER BY n"))
        assert content.all() == [(2, "none"), (3, "none")]


# ---- killed after a change of the schema -------------------------------------


class Change(NamedTuple):
    """A change of table ``t``, and the query that shows it has happened."""

    setup: tuple[str, ...]
    change: str
    shows: str
    expected: object
    bricks: bool
    """Whether a plain ``duckdb.connect(path)`` can not read the log any more."""


PLAIN = "CREATE TABLE t (id INTEGER, n INTEGER DEFAULT 1)"
NOW = "CREATE TABLE t (id INTEGER, n INTEGER DEFAULT 1, made TIMESTAMPTZ DEFAULT now())"
UUID = "CREATE TABLE t (id INTEGER, n INTEGER DEFAULT 1, key UUID DEFAULT uuid())"
SUM = "CREATE TABLE t (id INTEGER DEFAULT (1+1), n INTEGER DEFAULT 1)"
SEQUENCE = "CREATE SEQUENCE s"
NEXT = "CREATE TABLE t (id INTEGER, n INTEGER DEFAULT 1, key INTEGER DEFAULT nextval('s'))"
GENERATED = "CREATE TABLE t (id INTEGER, twice INTEGER GENERATED ALWAYS AS (id * 2))"
DEFAULT_OF_N = "SELECT column_default FROM information_schema.columns WHERE column_name = 'n'"

CHANGES = {
    "add_column_with_default": Change(
        (PLAIN,),
        "ALTER TABLE t ADD COLUMN extra INTEGER DEFAULT 7",
        "SELECT extra FROM t",
        7,
        bricks=False,
    ),
    "add_column_with_default_now": Change(
        (PLAIN,),
        "ALTER TABLE t ADD COLUMN extra TIMESTAMPTZ DEFAULT now()",
        "SELECT CASE WHEN extra <= now() THEN 'past' END FROM t",
        "past",
        bricks=True,
    ),
    "add_column_beside_now": Change(
        (NOW,), "ALTER TABLE t ADD COLUMN extra INTEGER", "SELECT extra FROM t", None, bricks=True
    ),
    "add_column_beside_uuid": Change(
        (UUID,), "ALTER TABLE t ADD COLUMN extra INTEGER", "SELECT extra FROM t", None, bricks=True
    ),
    "add_column_beside_nextval": Change(
        (SEQUENCE, NEXT),
        "ALTER TABLE t ADD COLUMN extra INTEGER",
        "SELECT extra FROM t",
        None,
        bricks=True,
    ),
    "add_column_beside_a_sum": Change(
        (SUM,), "ALTER TABLE t ADD COLUMN extra INTEGER", "SELECT extra FROM t", None, bricks=True
    ),
    "add_column_beside_a_generated_one": Change(
        (GENERATED,),
        "ALTER TABLE t ADD COLUMN extra INTEGER",
        "SELECT twice + coalesce(extra, 5) FROM t",
        7,
        bricks=True,
    ),
    "drop_column_beside_now": Change(
        (NOW,),
        "ALTER TABLE t DROP COLUMN n",
        "SELECT count(*) FROM information_schema.columns WHERE table_name = 't'",
        2,
        bricks=True,
    ),
    "rename_column_beside_nextval": Change(
        (SEQUENCE, NEXT), "ALTER TABLE t RENAME COLUMN n TO m", "SELECT m FROM t", 1, bricks=True
    ),
    "rename_table_beside_now": Change(
        (NOW,), "ALTER TABLE t RENAME TO renamed", "SELECT n FROM renamed", 1, bricks=False
    ),
    "change_type": Change(
        (PLAIN,), "ALTER TABLE t ALTER n TYPE VARCHAR", "SELECT n FROM t", "1", bricks=False
    ),
    "change_type_using": Change(
        (PLAIN,),
        "ALTER TABLE t ALTER n TYPE VARCHAR USING 'n' || CAST(n AS VARCHAR)",
        "SELECT n FROM t",
        "n1",
        bricks=True,
    ),
    "set_default": Change(
        (PLAIN,), "ALTER TABLE t ALTER n SET DEFAULT 5", DEFAULT_OF_N, "5", bricks=False
    ),
    "set_default_to_a_sum": Change(
        (PLAIN,), "ALTER TABLE t ALTER n SET DEFAULT (2+3)", DEFAULT_OF_N, "(2 + 3)", bricks=True
    ),
    "drop_default_now": Change(
        (NOW,),
        "ALTER TABLE t ALTER made DROP DEFAULT",
        "SELECT column_default FROM information_schema.columns WHERE column_name = 'made'",
        None,
        bricks=False,
    ),
    "set_not_null_beside_uuid": Change(
        (UUID,),
        "ALTER TABLE t ALTER n SET NOT NULL",
        "SELECT is_nullable FROM information_schema.columns WHERE column_name = 'n'",
        "NO",
        bricks=True,
    ),
    "add_primary_key_beside_now": Change(
        (NOW,),
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        "SELECT constraint_type FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'",
        "PRIMARY KEY",
        bricks=True,
    ),
    "create_index_on_an_expression": Change(
        (PLAIN,),
        "CREATE INDEX t_index ON t ((n + 1))",
        "SELECT index_name FROM duckdb_indexes()",
        "t_index",
        bricks=False,
    ),
}


def crash(folder: Path, how: str) -> Path:
    """Make one file per change, by a writer that dies before it closes them."""
    work = [
        (
            f"{folder / name}.duckdb",
            [*case.setup, "INSERT INTO t (id) VALUES (1)", case.change],
        )
        for name, case in CHANGES.items()
    ]
    child = subprocess.run(
        [sys.executable, str(CHILDREN / "change_and_die.py"), how],
        input=json.dumps(work),
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    return folder


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files as a kill leaves them that comes right after the COMMIT."""
    return crash(tmp_path_factory.mktemp("crashed"), "plain")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files as a kill leaves them that comes after the acknowledgement."""
    return crash(tmp_path_factory.mktemp("left"), "engine")


@pytest.fixture
def crashed_file(request: pytest.FixtureRequest, crashed: Path, tmp_path: Path) -> Path:
    """Return a copy of the file and the log that the named change has left."""
    name = request.node.callspec.id
    for suffix in (".duckdb", ".duckdb.wal"):
        shutil.copy(crashed / f"{name}{suffix}", tmp_path / f"copy{suffix}")
    return tmp_path / "copy.duckdb"


def test_eighteen_changes_are_tried() -> None:
    assert len(CHANGES) == 18
    assert sum(case.bricks for case in CHANGES.values()) > 9


@pytest.mark.slow
@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES)
async def test_a_schema_change_survives_kill(crashed_file: Path, case: Change) -> None:
    engine = create_async_engine(f"duckdb:///{crashed_file}", threads=1)

    async with engine.connect() as connection:
        found = await connection.scalar(text(case.shows))
    await engine.dispose()

    assert found == case.expected
    assert not crashed_file.with_suffix(".duckdb.wal").exists()


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=name,
            marks=[
                pytest.mark.xfail(
                    case.bricks,
                    raises=duckdb.InternalException,
                    strict=True,
                    reason="DuckDB issues 18259, 19712, 20543: its log names no database",
                )
            ],
        )
        for name, case in CHANGES.items()
    ],
)
@pytest.mark.slow
def test_a_plain_connect_opens_what_a_schema_change_has_left(
    crashed_file: Path, case: Change
) -> None:
    with duckdb.connect(crashed_file) as connection:
        assert connection.execute(case.shows).fetchall()[:1] == [(case.expected,)]


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.slow
def test_a_plain_connect_opens_what_our_schema_change_has_left(left: Path, name: str) -> None:
    case = CHANGES[name]

    with duckdb.connect(left / f"{name}.duckdb") as connection:
        assert connection.execute(case.shows).fetchall()[:1] == [(case.expected,)]


@pytest.mark.parametrize("case", [CHANGES["add_column_beside_now"]], ids=["add_column_beside_now"])
async def test_a_file_that_we_closed_opens_everywhere(crashed_file: Path, case: Change) -> None:
    engine = create_async_engine(f"duckdb:///{crashed_file}", threads=1)
    async with engine.connect():
        pass
    await engine.dispose()

    with duckdb.connect(crashed_file) as connection:
        found = connection.execute(case.shows).fetchall()

    assert found == [(case.expected,)]


@pytest.mark.slow
@pytest.mark.parametrize("case", [CHANGES["add_column_beside_now"]], ids=["add_column_beside_now"])
async def test_a_bricked_file_is_read_without_being_touched(
    crashed_file: Path, case: Change
) -> None:
    log = crashed_file.with_suffix(".duckdb.wal")
    before = crashed_file.read_bytes(), log.read_bytes()
    engine = create_async_engine(f"duckdb:///{crashed_file}?read_only=true", threads=1)

    async with engine.connect() as connection:
        found = await connection.scalar(text(case.shows))
    await engine.dispose()

    assert found is case.expected
    assert (crashed_file.read_bytes(), log.read_bytes()) == before
