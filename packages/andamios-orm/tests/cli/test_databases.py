"""The commands for the database itself."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree as ET

import pytest

from andamios_orm.dialect.registry import registry
from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(8)]

Call: TypeAlias = "Callable[..., Any]"
SQL = "SELECT 1 AS one, 'a|b' AS two, NULL AS three UNION ALL SELECT 22, '5%', 'c' ORDER BY 1"


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("table", "one  two  three\n---  ---  -----\n1    a|b\n22   5%   c\n"),
        ("csv", "one,two,three\n1,a|b,\n22,5%,c\n"),
        (
            "ndjson",
            '{"one": 1, "two": "a|b", "three": null}\n{"one": 22, "two": "5%", "three": "c"}\n',
        ),
        (
            "markdown",
            "| one | two | three |\n| --- | --- | --- |\n| 1 | a\\|b |  |\n| 22 | 5% | c |\n",
        ),
    ],
)
def test_rows_are_printed_in_many_forms(
    call: Call, project: str, url: str, form: str, printed: str
) -> None:
    done = call("query", SQL, "--url", url, "--format", form)

    assert (done.code, done.out, done.err) == (0, printed, "2 rows\n")


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_nothing_in_a_row_is_obeyed_by_a_terminal(call: Call, url: str, form: str) -> None:
    sql = "SELECT chr(27) || '[2J' || chr(10) || 'a' AS \"t\x1bext\""

    done = call("query", sql, "--url", url, "--format", form, "--verbose")

    assert "\x1b" not in done.out + done.err
    assert "t ext" in done.out
    assert " [2J a" in done.out


def test_casts_and_signs_are_no_parameters(call: Call, project: str, url: str) -> None:
    sql = "SELECT '7'::integer % 4 AS rest, 'a:b' AS text, ':c' LIKE ':%' AS found"

    assert (
        call("query", sql, "--url", url, "--format", "csv").out == "rest,text,found\n3,a:b,True\n"
    )


def test_json_is_a_form_of_its_own(call: Call, project: str, url: str) -> None:
    done = call("query", "SELECT 1 AS one", "--url", url, "--json", "--quiet")

    assert json.loads(done.out) == {"schema_version": 1, "rows": [{"one": 1}]}
    assert done.err == ""


def test_sql_comes_from_the_standard_input(
    call: Call, project: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 7 AS seven"))

    assert call("query", "-", "--url", url, "--format", "csv").out == "seven\n7\n"


def test_rows_go_to_a_new_file(call: Call, project: str, url: str) -> None:
    arguments = ("query", "SELECT 7 AS seven", "--url", url, "--format", "csv", "-o", "rows.csv")

    assert call(*arguments).code == 0
    assert Path("rows.csv").read_text() == "seven\n7\n"
    assert call(*arguments).code == 1


def test_parquet_is_for_a_file(
    call: Call, project: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    arguments = ("query", "SELECT 7 AS seven", "--url", url, "--format", "parquet")

    assert call(*arguments).code == 2
    assert call(*arguments, "-o", "rows.parquet").code == 0
    table = parquet.read_table("rows.parquet")  # type: ignore[no-untyped-call]  # pyarrow's own
    assert table.to_pylist() == [{"seven": 7}]
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    refused = call(*arguments, "-o", "more.parquet")
    assert "pip install 'andamios-orm[arrow]'" in refused.err
    assert MissingExtra.__name__ in refused.err


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a INTEGER)",
        "SELECT 1; CREATE TABLE t (a INTEGER)",
        "COMMIT; CREATE TABLE t (a INTEGER)",
        "SELECT 1; COMMIT; CREATE TABLE t (a INTEGER)",
        "SELECT nextval('s')",
    ],
)
def test_a_query_changes_nothing(call: Call, project: str, url: str, statement: str) -> None:
    done = call("query", statement, "--url", url)

    assert done.code == 1
    count = "SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 't'"
    assert call("query", count, "--url", url, "--format", "csv").out == "n\n0\n"


def test_the_models_are_drawn(call: Call, project: str, url: str) -> None:
    arguments = ("schema", "--url", url, "--models", project)

    sql = call(*arguments).out
    mermaid = call(*arguments, "--format", "mermaid").out
    dot = call(*arguments, "--format", "dot").out

    assert sql.index("CREATE TABLE author") < sql.index("CREATE TABLE book")
    assert sql.endswith("CREATE INDEX ix_book_title ON book (title);\n")
    assert "erDiagram\n    author {\n        INTEGER id PK\n    }\n" in mermaid
    assert '    author ||--o{ book : "author_id"\n' in mermaid
    assert "        INTEGER author_id FK\n" in mermaid
    assert '    author [label="{author|id: INTEGER\\l}"];\n' in dot
    assert '    book -> author [label="author_id"];\n' in dot


CIRCLES = """
import sqlalchemy as sa
metadata = sa.MetaData()
def table(name, **keys):
    columns = [sa.Column(each, sa.ForeignKey(f"{other}.id")) for each, other in keys.items()]
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
table("hen", egg="egg", mother="hen")
table("egg", hen="hen", nest="nest")
table("nest<&>", egg="egg")
table("nest")
sa.Table("empty", metadata)
"""


def test_the_models_are_a_picture_that_any_program_shows(
    call: Call, project: str, url: str, tmp_path: Path
) -> None:
    (tmp_path / "circles.py").write_text(CIRCLES)
    options = ("--format", "svg", "--output", "models.svg")

    done = call("schema", "--url", url, "--models", f"{project}, circles:metadata", *options)

    assert (done.code, done.out, done.err) == (0, "", "")
    svg = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring((tmp_path / "models.svg").read_text())  # noqa: S314 - our own
    texts = [text.text for text in root.iter(f"{svg}text")]
    assert texts[:4] == ["author", "id", "INTEGER", "PK"]
    assert {"book", "author_id", "FK", "title", "nest<&>", "empty"} < set(texts)
    assert len(list(root.iter(f"{svg}path"))) == 6
    boxes = [
        tuple(float(box.attrib[each]) for each in ("x", "y", "width", "height"))
        for box in root.iter(f"{svg}rect")
        if "class" not in box.attrib
    ]
    assert all(x + width <= float(root.attrib["width"]) for x, _, width, _ in boxes)
    assert all(y + height <= float(root.attrib["height"]) for _, y, _, height in boxes)


def test_an_index_that_is_not_built_is_not_drawn(call: Call, project: str, tmp_path: Path) -> None:
    Path("without.py").write_text(
        "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
        "sa.Table('t', metadata, sa.Column('a', sa.Integer), "
        "sa.Index('ix', 'a', duckdb_index=False))\n"
    )

    done = call("schema", "--url", "duckdb:///:memory:", "--models", "without:metadata")

    assert "INDEX" not in done.out


@pytest.mark.slow
def test_a_backup_is_told_and_refused_where_it_cannot_be(
    call: Call, project: str, duckdb_url: str, postgres_url: str
) -> None:
    done = call("backup", "copy.duckdb", "--url", duckdb_url, "--json")

    assert json.loads(done.out)["backup"][0]["path"] == "copy.duckdb"
    assert Path("copy.duckdb").is_file()
    assert call("backup", "copy.duckdb", "--url", duckdb_url).code == 2
    assert "pg_dump" in call("backup", "copy", "--url", postgres_url).err


@pytest.mark.slow
def test_a_copy_is_restored_after_a_question(call: Call, project: str, duckdb_url: str) -> None:
    call("backup", "copy.duckdb", "--url", duckdb_url)

    fresh = call("restore", "copy.duckdb", "shop.duckdb", "--json")
    refused = call("restore", "copy.duckdb", "shop.duckdb")
    done = call("restore", "copy.duckdb", "shop.duckdb", "--yes")

    assert json.loads(fresh.out)["restored"][0]["path"] == "shop.duckdb"
    assert (refused.code, done.code) == (2, 0)
    assert Path("shop.duckdb.replaced").is_file()
    assert call("restore", "pyproject.toml", "shop.duckdb", "--yes").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("form", ["file", "open"])
def test_a_dry_run_restores_nothing(call: Call, project: str, duckdb_url: str, form: str) -> None:
    call("backup", "copy", "--url", duckdb_url, "--format", form)
    call("backup", "shop.duckdb", "--url", duckdb_url)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in Path().rglob("*"))

    done = call("restore", "copy", "shop.duckdb", "--dry-run")

    assert (done.code, done.out) == (0, "shop.duckdb 0 rows\n")
    assert done.err == ("this would replace shop.duckdb, which is kept as shop.duckdb.replaced\n")
    assert call("restore", "copy", "other.duckdb", "--dry-run").err == ""
    assert sorted((path.name, path.stat().st_mtime_ns) for path in Path().rglob("*")) == before


def test_the_doctor_finds_nothing_at_a_healthy_database(call: Call, project: str, url: str) -> None:
    call("init", "--url", url)

    done = call("doctor", "--url", url, "--models", project)

    assert done.code == 0
    states = [line.split()[0] for line in done.out.splitlines()]
    assert set(states) == {"ok"}
    assert "ok   migrations: the database is at the newest revision" in done.out


@pytest.mark.slow
def test_the_doctor_says_how_to_mend_what_it_finds(
    call: Call, project: str, duckdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(*arguments: str) -> dict[str, Any]:
        done = call("doctor", "--json", *arguments)
        rows = json.loads(done.out)["findings"]
        return {"code": done.code, **{row["check"]: row for row in rows}}

    assert found()["settings"]["remedy"] == "pass --url, or set ANDAMIOS_URL"
    assert found("--url", duckdb_url)["migrations"]["found"] == "no models are named"
    missing = found("--url", duckdb_url, "--models", project)
    assert missing["migrations"]["found"].startswith("there are no migrations in migrations")
    call("init", "--url", duckdb_url)
    call("revision", "one", "--url", duckdb_url, "--models", project)
    pending = found("--url", duckdb_url, "--models", project)
    assert (pending["code"], pending["migrations"]["remedy"]) == (0, "andamios-orm migrate")
    monkeypatch.setattr("andamios_orm.cli.checking._ENOUGH", 2**62)
    monkeypatch.setattr("andamios_orm.cli.checking._LONG_LOG", -1)
    short = found("--url", duckdb_url)
    assert (short["disk"]["state"], short["log"]["state"]) == ("warn", "warn")


@pytest.mark.slow
def test_the_doctor_names_who_holds_a_file(call: Call, project: str, tmp_path: Path) -> None:
    import subprocess
    import sys

    held = tmp_path / "held.duckdb"
    program = f"import duckdb, sys; c = duckdb.connect({str(held)!r}); print(1); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-uc", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.read(1)

        done = call("doctor", "--url", f"duckdb:///{held}")
        queried = call("query", "SELECT 1", "--url", f"duckdb:///{held}")

        assert holder.stdin is not None
        holder.stdin.close()

    assert (done.code, queried.code) == (1, 4)
    assert f"fail access: process {holder.pid} has the file open" in done.out
    assert held not in {database.path for database in registry}


def test_the_doctor_tells_what_cannot_be_reached(call: Call, project: str) -> None:
    away = call("doctor", "--url", "postgresql://nobody@127.0.0.1:1/nothing")
    folder = call("doctor", "--url", "duckdb:////no/such/folder/x.duckdb")

    assert away.code == folder.code == 1
    assert "-> andamios-orm explain DatabaseUnavailable" in away.out
    assert "the folder /no/such/folder of the database does not exist" in folder.out
