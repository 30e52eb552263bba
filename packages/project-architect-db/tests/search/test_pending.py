"""Which rows changes are about."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from andamios_orm.core import Change
from project_architect_db.search.entries import Kind
from project_architect_db.search.pending import pending_of

pytestmark = pytest.mark.unit


def change(entity: str, **values: Any) -> Change:
    given = {"actor": None, "key": None, "kind": "update", **values}
    return Change(position=1, time=dt.datetime.now(dt.UTC), entity=entity, **given)


def test_keys_are_counted_once_and_ranges_by_their_width() -> None:
    pending = pending_of(
        [
            change("documents", key="7"),
            change("documents", key="7"),
            change("documents", keys=("7", "8")),
            change("conversation_messages", first_key="10", last_key="19"),
        ]
    )

    assert pending.keys == {Kind.DOCUMENT: {7, 8}}
    assert pending.ranges == {Kind.MESSAGE: [(10, 19)]}
    assert (pending.count, pending.is_unknown) == (12, False)


def test_a_change_of_rows_that_nobody_knows_is_unknown() -> None:
    assert pending_of([change("documents", count=3)]).is_unknown
    assert not pending_of([]).is_unknown
