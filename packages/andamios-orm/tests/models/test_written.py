import pytest

from andamios_orm.models.written import ColumnRows, WrittenRow, WrittenRows

pytestmark = pytest.mark.unit

ROWS = ColumnRows({"id": [1, 2, 3], "name": ["a", "b", "c"]}, 3)


def test_columns_are_read_as_rows() -> None:
    assert len(ROWS) == 3
    assert ROWS[1] == {"id": 2, "name": "b"}
    assert ROWS[1:] == [{"id": 2, "name": "b"}, {"id": 3, "name": "c"}]
    assert list(ROWS) == [ROWS[0], ROWS[1], ROWS[2]]


def test_rows_are_told_as_they_were_and_as_they_are() -> None:
    new, gone = WrittenRows(None, ROWS), WrittenRows(list(ROWS), None)
    changed = WrittenRows(ROWS, ROWS)

    assert [len(new), len(gone), len(changed)] == [3, 3, 3]
    assert new[0] == WrittenRow(None, ROWS[0])
    assert gone[2] == WrittenRow(ROWS[2], None)
    assert changed[:1] == [WrittenRow(ROWS[0], ROWS[0])]
    assert list(new) == [WrittenRow(None, row) for row in ROWS]
    assert list(gone) == [WrittenRow(row, None) for row in ROWS]
