"""Errors about files: what they say, also on the other side of a process border."""

from __future__ import annotations

import pickle

import pytest

from project_architect_db.importers import (
    EncodingRefused,
    FormatUnknown,
    NamesRefused,
    RowError,
    RowsRefused,
    SourceDamaged,
    SourceMissing,
    SourceRefused,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "error",
    [
        SourceRefused("a.csv", "why"),
        SourceMissing("a.csv", "why"),
        FormatUnknown("a.csv", "why", ("csv",)),
        EncodingRefused("a.csv", "why", "utf-8", 7),
        SourceDamaged("a.csv", "why", 3),
        NamesRefused("a.csv", "why", ["nmae"], ["name"]),
        RowsRefused("a.csv", [RowError(1, 2, "name", "why", "x")], 4, "the first 5 are stored"),
    ],
)
def test_an_error_survives_a_process_border(error: SourceRefused) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own

    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_an_error_of_a_row_says_where_it_is() -> None:
    assert str(RowError(3, 4, "name", "too long")) == "row 3 (line 4), name: too long"
    assert str(RowError(3, None, "", "no row")) == "row 3: no row"
    assert str(RowError(None, None, "name", "missing")) == "every row, name: missing"
