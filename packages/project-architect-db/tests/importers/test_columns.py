"""Parquet and Arrow, as files and as streams that cannot be rewound."""

from __future__ import annotations

import datetime as dt
import io
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import MissingExtra
from project_architect_db.importers import SourceDamaged, columns
from project_architect_db.importers.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Callable

pa = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.integration

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
TABLE = {
    "name": ["a", None, "c"],
    "remotes": pa.array([[("origin", "u")], None, []], pa.map_(pa.string(), pa.string())),
    "architecture": [{"framework": "X"}, None, None],
    "at": pa.array([NOON, None, NOON], pa.timestamp("us", "UTC")).cast(pa.timestamp("ns", "UTC")),
    "status": pa.array(["draft", "active", None]).dictionary_encode(),
}
ROWS = [
    {
        "name": "a",
        "remotes": {"origin": "u"},
        "architecture": {"framework": "X"},
        "at": NOON,
        "status": "draft",
    },
    {"status": "active"},
    {"name": "c", "remotes": {}, "at": NOON},
]


class Pipe(io.BytesIO):
    """Bytes that come once, as those of standard input."""

    def seekable(self) -> bool:
        """Return that one cannot go back."""
        return False


def parquet(table: Any) -> bytes:
    pq: Any = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=2)
    return file.getvalue()


def arrow_file(table: Any) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return file.getvalue()


def arrow_stream(table: Any) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return file.getvalue()


FORMS = [("Parquet", parquet), ("Arrow", arrow_file), ("Arrow", arrow_stream)]


@pytest.mark.parametrize(("kind", "form"), FORMS)
@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_columns_are_read_as_rows(
    kind: str, form: Callable[[Any], bytes], stream: Callable[[bytes], Any]
) -> None:
    with ExitStack() as stack:
        file = Columns("it", kind, stream(form(pa.table(TABLE))), stack)
        rows = [row for _, row in file.rows()]

        assert file.names == tuple(TABLE)
        assert rows == ROWS
        assert file.share() == 1


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_columns_without_rows_are_read_as_none(kind: str, form: Callable[[Any], bytes]) -> None:
    with ExitStack() as stack:
        file = Columns("it", kind, io.BytesIO(form(pa.table(TABLE).slice(0, 0))), stack)

        assert list(file.rows()) == []
        assert file.share() == 1


def test_rows_without_columns_are_counted_all_the_same() -> None:
    empty = pa.table({"a": [1, 2]}).select([])

    with ExitStack() as stack:
        rows = list(Columns("it", "Arrow", io.BytesIO(arrow_stream(empty)), stack).rows())

    assert rows in ([], [(None, {})] * 2)  # what a file keeps of them is Arrow's affair


def test_few_rows_are_in_memory_where_they_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BYTES", 1)

    with ExitStack() as stack:
        file = Columns("it", "Parquet", io.BytesIO(parquet(pa.table(TABLE))), stack)
        rows = file.rows()
        next(rows)

        assert file.share() == 1 / 3
        assert len(list(rows)) == 2


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_a_column_that_comes_twice_is_refused(kind: str, form: Callable[[Any], bytes]) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])

    with ExitStack() as stack, pytest.raises(SourceDamaged, match="columns come twice: 'a'"):
        Columns("it", kind, io.BytesIO(form(table)), stack)


@pytest.mark.parametrize(("kind", "form"), FORMS)
@pytest.mark.parametrize("cut", [0, 5, 60, -40])
def test_a_file_that_is_cut_short_is_damaged(
    kind: str, form: Callable[[Any], bytes], cut: int
) -> None:
    whole = form(pa.table(TABLE))

    with ExitStack() as stack, pytest.raises(SourceDamaged, match=f"cannot be read as {kind}"):
        list(Columns("it", kind, io.BytesIO(whole[:cut]), stack).rows())


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with ExitStack() as stack, pytest.raises(MissingExtra, match=r"project-architect-db\[arrow\]"):
        Columns("it", "Parquet", io.BytesIO(), stack)
