"""The commands that keep a database in order."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pytest
import sqlalchemy as sa

from andamios_orm.cli import running, upkeep
from andamios_orm.cli.project import Project
from andamios_orm.exceptions import DatabaseLocked

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"


@pytest.fixture
def shop(project: str) -> str:
    """Make a file in which most room is free, in the folder of a project; return its URL."""
    with duckdb.connect("shop.duckdb") as raw:
        raw.execute("CREATE TABLE author (id INTEGER PRIMARY KEY)")
        raw.execute("CREATE TABLE book (id INTEGER PRIMARY KEY, title VARCHAR, author_id INTEGER)")
        raw.execute("CREATE TABLE junk AS SELECT hash(range) AS h FROM range(500000)")
        raw.execute("CHECKPOINT; DROP TABLE junk; CHECKPOINT")
        raw.execute("INSERT INTO author VALUES (1)")
    return "duckdb:///shop.duckdb"


@pytest.mark.slow
def test_room_is_given_back(call: Call, shop: str) -> None:
    path = Path("shop.duckdb")
    before = path.read_bytes()

    estimate = call("vacuum", "--url", shop, "--dry-run")
    unchanged = path.read_bytes() == before
    as_json = json.loads(call("vacuum", "--url", shop, "--dry-run", "--json").out)["vacuum"][0]
    done = call("vacuum", "--url", shop)

    assert unchanged
    assert re.fullmatch(
        r"[\d.]+ MiB in 2 tables: [\d.]+ MiB \(\d\d %\) are free, which a new file would not have; "
        r"nothing was changed\n",
        estimate.out,
    )
    assert as_json["free"] > as_json["before"] / 2
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(
        r"[\d.]+ MiB -> [\d.]+ (MiB|KiB): [\d.]+ MiB given back, 2 tables\n", done.out
    )
    assert path.stat().st_size < len(before) / 2
    assert "nothing to give back" in call("vacuum", "--url", shop).out


def test_tables_of_postgresql_are_vacuumed(call: Call, project: str, postgres_url: str) -> None:
    empty = call("vacuum", "--url", postgres_url, "--dry-run")
    done = call("vacuum", "--url", postgres_url, "--full", "--json")

    assert empty.out.startswith("0 bytes in 0 tables: dead rows take about 0 bytes (0 %)")
    assert json.loads(done.out)["vacuum"] == [{"before": 0, "after": 0, "tables": 0, "saved": 0}]


@pytest.mark.parametrize(
    "command", [("vacuum",), ("vacuum", "--dry-run"), ("verify",), ("snapshot", "copy.duckdb")]
)
def test_no_file_is_made_by_looking_after_it(
    call: Call, project: str, command: tuple[str, ...]
) -> None:
    done = call(*command, "--url", "duckdb:///missing.duckdb")

    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "andamios-orm: there is no database missing.duckdb",
    )
    assert list(Path().glob("*.duckdb")) == []


@pytest.mark.slow
def test_a_sound_database_is_told(call: Call, shop: str, project: str) -> None:
    done = call("verify", "--url", shop, "--models", project)

    assert done == (0, "", "2 tables, 1 row: sound\n")
    Path("shop.duckdb.journal").write_bytes(b"cut short")
    assert call("verify", "--url", shop, "--quiet") == (0, "", "")


@pytest.mark.slow
def test_what_is_not_sound_is_told_with_what_to_do(call: Call, shop: str, project: str) -> None:
    with duckdb.connect("shop.duckdb") as raw:
        raw.execute("INSERT INTO book VALUES (7, 'x', 2), (8, 'y', 1)")
        raw.execute("ALTER TABLE book ALTER title SET NOT NULL")

    without = call("verify", "--url", shop)
    done = call("verify", "--url", shop, "--models", project)
    as_json = call("verify", "--url", shop, "--models", project, "--json")

    assert without.code == 0
    assert (done.code, done.err) == (5, "2 tables, 3 rows: 1 thing to mend\n")
    assert done.out == (
        "book: refers by author_id to rows of author that do not exist (1 row)\n"
        "       at id = 7, author_id = 2\n"
        "       -> create the rows of author, or delete these\n"
    )
    assert as_json.code == 5
    assert json.loads(as_json.out) == {
        "schema_version": 1,
        "verification": [
            {
                "sound": False,
                "findings": [
                    {
                        "table": "book",
                        "what": "refers by author_id to rows of author that do not exist",
                        "rows": 1,
                        "keys": [{"id": 7, "author_id": 2}],
                        "remedy": "create the rows of author, or delete these",
                    }
                ],
                "tables": 2,
                "rows": 3,
                "skipped": [],
            }
        ],
    }


def test_what_could_not_be_looked_at_is_told(call: Call, project: str, postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id integer PRIMARY KEY)"))
    engine.dispose()

    done = call("verify", "--url", postgres_url)

    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("not looked at: the structure of indexes: amcheck is not installed")
    assert done.err.endswith("1 table, 0 rows: sound\n")


def test_a_damaged_file_is_not_sound(call: Call, shop: str) -> None:
    Path("shop.duckdb").write_bytes(b"no database" * 5_000)

    assert call("verify", "--url", shop).code == running.UNSOUND


@pytest.mark.slow
def test_a_snapshot_is_made_and_replaced(call: Call, shop: str) -> None:
    first = call("snapshot", "now.duckdb", "--url", shop, "--json")
    refused = call("snapshot", "now.duckdb", "--url", shop)
    again = call("snapshot", "now.duckdb", "--url", shop, "--replace")

    assert json.loads(first.out)["snapshot"][0]["rows"] == {"main.author": 1, "main.book": 0}
    assert refused.code == 2
    assert re.fullmatch(r"now.duckdb [\d.]+ MiB, 1 row, read-only\n", again.out)
    assert Path("now.duckdb").stat().st_mode & 0o777 == 0o444


@pytest.mark.slow
def test_who_has_the_file_open_is_named(call: Call, shop: str) -> None:
    program = "import duckdb, sys; c = duckdb.connect('shop.duckdb'); print(1); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-uc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.read(1)

        snapped = call("snapshot", "now.duckdb", "--url", shop)
        others = [call(name, "--url", shop) for name in ("vacuum", "verify")]

        holder.stdin.close()

    assert [done.code for done in (snapped, *others)] == [4, 4, 4]
    assert f"process {holder.pid} has " in snapped.err
    assert "let it call snapshot(database, 'now.duckdb', overwrite=True)" in snapped.err
    assert all(f"PID {holder.pid}" in done.err for done in others)
    assert not Path("now.duckdb").exists()


def test_a_holder_who_is_not_known_is_another_process() -> None:
    error = DatabaseLocked("locked", path="shop.duckdb")

    assert upkeep._for_holder(error, Path("now")).startswith("another process has shop.duckdb open")


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """Return that it is."""
        return True


@pytest.mark.parametrize(("quiet", "is_shown"), [(False, True), (True, False)])
def test_a_person_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, *, quiet: bool, is_shown: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    context = running.Context(Project.load({}, variables={}), as_json=False, quiet=quiet)

    with context.progress("vacuum [/] \x1b[2J") as report:
        report(1, 4)

    shown: Any = terminal.getvalue()
    assert ("vacuum [/] [2J" in shown) == is_shown
    assert ("25%" in shown) == is_shown
