"""Rows written to a file that is open, a batch at a time."""

from __future__ import annotations

import csv
import importlib
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.queries.shop import Item, Size

from andamios_orm.exceptions import MissingExtra, QueryRefused
from andamios_orm.queries import QueryBuilder
from andamios_orm.queries.files import FORMS, Form

if TYPE_CHECKING:
    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(7)]

FIELDS = ("id", "name", "price", "active", "size", "made_at", "blob", "extra")


def read(written: bytes, form: Form) -> list[dict[str, Any]]:
    """Return the rows of a file, by the libraries that others would read it with."""
    if form == "parquet":
        table = importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(written))
    elif form == "arrow":
        table = importlib.import_module("pyarrow.ipc").open_stream(written).read_all()
    elif form == "csv":
        return list(csv.DictReader(io.StringIO(written.decode())))
    elif form == "json":
        found: list[dict[str, Any]] = json.loads(written)
        return found
    else:
        return [json.loads(line) for line in written.splitlines()]
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("form", FORMS)
async def test_every_form_has_all_rows(session: Session, form: Form, size: int) -> None:
    file, told = io.BytesIO(), list[int]()
    query = QueryBuilder(Item, session).order_by("id")

    written = await query.write_to(file, form, *FIELDS, batch_size=size, progress=told.append)

    rows = read(file.getvalue(), form)
    assert written == told[-1] == 4
    assert told == sorted(told)
    assert [str(row["id"]) for row in rows] == ["1", "2", "3", "4"]
    assert [row["name"] for row in rows] == ["Alpha", "beta", "Gamma ray", "delta"]
    assert list(rows[0]) == list(FIELDS)


async def test_values_in_text_are_those_that_programs_expect(session: Session) -> None:
    stored = (await QueryBuilder(Item, session).filter(id=1).dicts(*FIELDS))[0]
    lines, table = io.BytesIO(), io.BytesIO()
    query = QueryBuilder(Item, session).filter(id=1)

    await query.write_to(lines, "ndjson", *FIELDS)
    await query.write_to(table, "csv", *FIELDS)

    (found,), (cells,) = read(lines.getvalue(), "ndjson"), read(table.getvalue(), "csv")
    assert found["active"] is True
    assert (found["size"], cells["size"], cells["active"]) == (Size.SMALL.value, "small", "true")
    assert (found["price"], cells["price"]) == (str(stored["price"]), str(stored["price"]))
    assert found["made_at"] == cells["made_at"] == stored["made_at"].isoformat()
    assert found["extra"] == json.loads(cells["extra"]) == stored["extra"]
    assert found["blob"] == cells["blob"]


@pytest.mark.parametrize("form", FORMS)
async def test_no_rows_are_a_file_as_well(session: Session, form: Form) -> None:
    file = io.BytesIO()

    assert await QueryBuilder(Item, session).filter(id=9).write_to(file, form, "id") == 0

    assert read(file.getvalue(), form) == []
    assert (file.getvalue() == b"id\n") == (form == "csv")


async def test_another_form_is_refused_with_those_there_are(session: Session) -> None:
    with pytest.raises(QueryRefused, match="as 'xml'; known are csv, ndjson, json, parquet, arrow"):
        await QueryBuilder(Item, session).write_to(io.BytesIO(), "xml")  # type: ignore[arg-type]


async def test_columns_want_pyarrow(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtra, match=r"andamios-orm\[arrow\]"):
        await QueryBuilder(Item, session).write_to(io.BytesIO(), "arrow")


async def test_a_file_that_takes_no_more_ends_the_query(session: Session) -> None:
    class Full(io.BytesIO):
        def write(self, *_: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await QueryBuilder(Item, session).write_to(Full(), "csv", batch_size=1)

    assert await QueryBuilder(Item, session).count() == 4
