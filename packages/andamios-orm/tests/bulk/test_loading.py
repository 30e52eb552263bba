"""Loads: every source, all or nothing or batch by batch, resumed, refused, reported."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import importlib
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from pydantic import BaseModel, Field
from sqlalchemy import MetaData, String, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.bulk import LoadReport, arrow, load, load_table
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.exceptions import (
    BulkRefused,
    ConfigurationError,
    LoadTooLarge,
    MissingExtra,
    WriteConflict,
)
from andamios_orm.models.base import Row
from andamios_orm.models.mixins import IntegerKeyMixin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pa: Any = importlib.import_module("pyarrow")
pq: Any = importlib.import_module("pyarrow.parquet")

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

CHILD = Path(__file__).parent / "children" / "load_until_killed.py"


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Reading(IntegerKeyMixin, Base):
    """One row of a source."""

    __tablename__ = "readings"

    number: Mapped[int] = mapped_column()
    name: Mapped[str | None] = mapped_column(String(10))
    ratio: Mapped[float | None]
    price: Mapped[decimal.Decimal | None]
    flag: Mapped[bool | None]
    moment: Mapped[dt.datetime | None]
    day: Mapped[dt.date | None]
    token: Mapped[uuid.UUID | None]
    document: Mapped[dict[str, Any] | None]


class ReadingIn(BaseModel):
    """What a reading has to be."""

    number: int = Field(ge=0)
    name: str | None = None


def _rows(count: int) -> Iterator[dict[str, Any]]:
    return ({"number": number, "name": f"r{number}"} for number in range(count))


async def _async_rows(count: int) -> AsyncIterator[dict[str, Any]]:
    for row in _rows(count):
        yield row


async def _numbers(database: Database) -> list[int]:
    async with database.session() as session:
        return list(await session.scalars(select(Reading.number).order_by(Reading.id)))


def _written(folder: Path, kind: str, count: int) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(list(_rows(count))), path, row_group_size=4)
    elif kind == "csv":
        lines = [f"{row['number']},{row['name']}" for row in _rows(count)]
        path.write_text("\n".join(["number,name", *lines]))
    else:
        path.write_text("\n".join(f'{{"number":{number}}}\n' for number in range(count)))
    return path


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize(
    "kind",
    [
        "list",
        "generator",
        "async",
        "pydantic",
        "arrow",
        "batch",
        "polars",
        "parquet",
        "csv",
        "ndjson",
        "jsonl",
    ],
)
@pytest.mark.slow
async def test_every_source_is_loaded_in_its_order(
    database: Database,
    tmp_path: Path,
    kind: str,
    atomic: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rows = list(_rows(10))
    sources: dict[str, Any] = {
        "list": rows,
        "generator": _rows(10),
        "async": _async_rows(10),
        "pydantic": [ReadingIn(**row) for row in rows],
        "arrow": pa.Table.from_pylist(rows),
        "batch": pa.RecordBatch.from_pylist(rows),
        "polars": pl.DataFrame(rows),
    }
    source = (
        sources.get(kind) or _written(tmp_path, kind, 10)
        if kind not in {"polars", "arrow", "batch"}
        else sources[kind]
    )

    report = await load(database, Reading, source, atomic=atomic, batch_size=4)

    assert await _numbers(database) == list(range(10))
    assert (report.read, report.created, report.batches) == (10, 10, 3)


class OnlyArray:
    """What hands out one batch of Arrow, and no stream."""

    def __init__(self, batch: Any) -> None:
        self.__arrow_c_array__ = batch.__arrow_c_array__


async def test_one_batch_of_arrow_may_fill_whole_batches(database: Database) -> None:
    batch = OnlyArray(pa.RecordBatch.from_pylist(list(_rows(8))))

    report = await load(database, Reading, batch, batch_size=4)

    assert await _numbers(database) == list(range(8))
    assert report.batches == 2


async def test_what_is_no_text_in_a_file_stays(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"number": 1, "day": "2030-01-02"}\n{"number": 2, "day": null}\n')

    await load(database, Reading, path)

    async with database.session() as session:
        days = (await session.scalars(select(Reading.day).order_by(Reading.number))).all()
    assert days == [dt.date(2030, 1, 2), None]


@pytest.mark.slow
async def test_a_load_into_a_session_is_the_caller_s_to_commit(database: Database) -> None:
    async with database.session() as session:
        await load(session, Reading, _rows(5), batch_size=2)
        await session.rollback()

    assert await _numbers(database) == []


async def test_every_batch_is_one_change(database: Database) -> None:
    await load(database, Reading, _rows(5), atomic=False, batch_size=2)

    changes = await ChangeFeed(database, Base.metadata).read()
    assert [(each.kind, each.count) for each in changes] == [
        ("bulk_create", 2),
        ("bulk_create", 2),
        ("bulk_create", 1),
    ]


async def test_progress_is_told_after_each_batch(database: Database) -> None:
    told: list[int] = []

    async def tell(report: LoadReport) -> None:
        await asyncio.sleep(0)
        told.append(report.read)

    await load(database, Reading, _rows(5), batch_size=2, progress=tell)
    await load(database, Reading, _rows(2), progress=lambda report: told.append(report.read))

    assert told == [2, 4, 5, 2]


async def test_a_bad_row_stores_nothing_and_is_counted_from_the_first(database: Database) -> None:
    rows = [*_rows(5), {"number": "x"}]

    with pytest.raises(BulkRefused) as refused:
        await load(database, Reading, rows, batch_size=2)

    assert [(error.row, error.field) for error in refused.value.errors] == [(5, "number")]
    assert await _numbers(database) == []


async def test_batches_before_a_bad_row_stay(database: Database) -> None:
    rows = [*_rows(4), {"number": None}]

    with pytest.raises(BulkRefused):
        await load(database, Reading, rows, batch_size=2, atomic=False)

    assert await _numbers(database) == [0, 1, 2, 3]


@pytest.mark.parametrize("schema", [None, ReadingIn])
async def test_bad_rows_can_be_collected(
    database: Database, schema: type[BaseModel] | None
) -> None:
    rows: list[Any] = [*_rows(3), {"number": "x"}, {"number": 4}, "none", {"name": "y"}]

    report = await load(database, Reading, rows, batch_size=4, on_error="collect", schema=schema)

    assert await _numbers(database) == [0, 1, 2, 4]
    assert (report.created, report.refused, report.read) == (4, 3, 7)
    assert sorted({error.row for error in report.errors if error.row is not None}) == [3, 5, 6]


async def test_bad_rows_of_arrow_can_be_collected(database: Database) -> None:
    table = pa.table({"number": [1, None, 3], "name": ["a", "b", "x" * 11]})

    report = await load(database, Reading, table, on_error="collect")

    assert await _numbers(database) == [1]
    assert [(error.row, error.field) for error in report.errors] == [(1, "number"), (2, "name")]


async def test_a_field_that_is_wrong_in_every_row_is_refused_even_so(database: Database) -> None:
    with pytest.raises(BulkRefused, match="every row, nmae"):
        await load(database, Reading, [{"nmae": 1}], on_error="collect")


@pytest.mark.parametrize("with_pyarrow", [True, False])
async def test_text_is_read_as_what_the_column_holds(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_pyarrow: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    monkeypatch.setattr("andamios_orm.bulk.sources.has_pyarrow", lambda: with_pyarrow)
    token = uuid.uuid4()
    path = tmp_path / "rows.csv"
    path.write_text(
        "number,name,ratio,price,flag,moment,day,token,document\n"
        f'7,"a, ""b""",1.5,2.50,true,2030-01-02T03:04:05+02:00,2030-01-02,{token},"{{""x"": 1}}"\n'
        "8,,,,,,,,\n"
    )

    await load(database, Reading, path)

    async with database.session() as session:
        first, second = (await session.scalars(select(Reading).order_by(Reading.id))).all()
    assert (first.name, first.ratio, first.price) == ('a, "b"', 1.5, decimal.Decimal("2.5"))
    assert (first.flag, first.day, first.token) == (True, dt.date(2030, 1, 2), token)
    assert first.moment == dt.datetime(2030, 1, 2, 1, 4, 5, tzinfo=dt.UTC)
    assert first.document == {"x": 1}
    assert (second.number, second.ratio, second.token, second.document) == (8, None, None, None)


async def test_text_that_says_nothing_of_the_kind_is_refused_with_its_row(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("number,flag,token\n1,true,\n2,maybe,\nx,,7\n")

    with pytest.raises(BulkRefused) as refused:
        await load(database, Reading, str(path))

    assert [(error.row, error.field) for error in refused.value.errors] == [
        (1, "flag"),
        (2, "number"),
        (2, "token"),
    ]


async def test_a_line_that_is_no_json_is_refused_with_its_row(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"number": 1}\n{"number": \n')

    with pytest.raises(BulkRefused, match="row 1: a row is a dict"):
        await load(database, Reading, path)


async def test_files_that_cannot_be_read_are_named(database: Database, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_text("no parquet")
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("number,name\n1\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("")

    with pytest.raises(ConfigurationError, match=r"'rows\.txt' is of an unknown kind"):
        await load(database, Reading, tmp_path / "rows.txt", atomic=False)
    with pytest.raises(ConfigurationError, match=r"broken\.parquet cannot be read"):
        await load(database, Reading, broken, atomic=False)
    with pytest.raises(ConfigurationError, match=r"ragged\.csv cannot be read"):
        await load(database, Reading, ragged)
    assert (await load(database, Reading, empty)).created == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"batch_size": 0}, "batch_size=0 is refused"),
        ({"resume": "x"}, "resume= goes with atomic=False"),
    ],
)
async def test_choices_that_contradict_each_other_are_refused(
    database: Database, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        await load(database, Reading, [], **options)
    async with database.session() as session:
        with pytest.raises(ConfigurationError, match="a session's commit is yours"):
            await load(session, Reading, [], atomic=False)


@pytest.mark.slow
async def test_a_load_with_a_name_goes_on_behind_its_last_batch(
    database: Database, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"atomic": False, "batch_size": 4, "resume": "numbers"}
    bad = [*_rows(9), {"number": None}]
    with pytest.raises(BulkRefused):
        await load(database, Reading, bad, **options)

    report = await load(database, Reading, _written(tmp_path, "parquet", 10), **options)
    again = await load(database, Reading, _async_rows(12), **options)
    over = await load(database, Reading, _rows(12), **options)

    assert await _numbers(database) == list(range(12))
    assert (report.resumed_at, report.created, report.read) == (8, 2, 10)
    assert (again.resumed_at, again.created) == (10, 2)
    assert (over.resumed_at, over.created) == (12, 0)


async def test_two_runs_of_one_load_do_not_both_store(database: Database) -> None:
    async def rows(name: str) -> AsyncIterator[dict[str, Any]]:
        yield {"number": 1, "name": name}
        await load(database, Reading, _rows(2), atomic=False, resume="x")

    with pytest.raises(WriteConflict, match="another run of the load 'x'"):
        await load(database, Reading, rows("a"), atomic=False, resume="x")

    assert await _numbers(database) == [0, 1]


@pytest.mark.slow
async def test_a_load_that_is_killed_resumes_without_loss_or_double(url: str) -> None:
    command = [sys.executable, str(CHILD), url, "5000"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(3):
        child.stdout.readline()
    child.kill()
    child.communicate()

    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)

    async with Database(url) as database, database.session() as session:
        counted = await session.execute(
            text("SELECT count(*), count(DISTINCT number) FROM readings")
        )
    assert tuple(counted.one()) == (5000, 5000)


async def test_what_does_not_fit_into_one_transaction_is_refused_before_it_starts(
    duckdb_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    with path.open("wb") as file:
        file.truncate(1 << 43)
    async with Database(duckdb_url) as database:
        with pytest.raises(LoadTooLarge) as refused:
            await load(database, Reading, path)

    assert refused.value.needed == 1 << 43


async def test_what_grows_too_large_is_refused_on_the_way(
    duckdb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def little(_session: object) -> int:
        return 5_000

    monkeypatch.setattr("andamios_orm.bulk.loading._available", little)
    async with Database(duckdb_url) as database:
        told: list[int] = []

        with pytest.raises(LoadTooLarge):
            await load(
                database,
                Reading,
                _rows(1_000),
                batch_size=10,
                progress=lambda report: told.append(report.read),
            )

        assert told
        assert await _numbers(database) == []


async def test_a_report_states_the_memory(database: Database) -> None:
    table = pa.Table.from_pylist(list(_rows(1_000)))

    known = await load(database, Reading, table)
    frame = await load(database, Reading, pl.DataFrame(list(_rows(10))))
    unknown = await load(database, Reading, _rows(1_000))

    assert known.memory == table.nbytes
    assert frame.memory
    assert unknown.memory is not None
    assert unknown.memory > 20_000


async def test_parquet_says_what_it_takes(database: Database, tmp_path: Path) -> None:
    report = await load(database, Reading, _written(tmp_path, "parquet", 10))

    assert report.memory


def test_the_table_of_positions_can_be_part_of_ones_own_metadata() -> None:
    metadata = MetaData()

    assert load_table(metadata) is load_table(metadata)
    assert metadata.tables.keys() == {"andamios_loads"}


async def test_arrow_without_pyarrow_names_the_extra(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow, "has_pyarrow", lambda: False)

    with pytest.raises(MissingExtra, match="pip install"):
        await load(database, Reading, _written(tmp_path, "parquet", 1))
    report = await load(database, Reading, _rows(3))

    assert report.created == 3
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Reading)) == 3
