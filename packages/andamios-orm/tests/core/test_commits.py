"""Which entities commits have changed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine

from andamios_orm.core.commits import Commits, commits_of, note_begin
from andamios_orm.models import WrittenRow

pytestmark = pytest.mark.unit


def test_an_entity_is_changed_from_before_the_commit_until_a_later_number() -> None:
    commits = Commits()
    before = commits.count

    commits.begin({"notes"})
    under_way = commits.unchanged({"notes"}, before), commits.unchanged({"others"}, before)
    commits.end({"notes": None})

    assert under_way == (False, True)
    assert not commits.unchanged({"notes", "others"}, before)
    assert commits.unchanged({"notes", "others"}, commits.count)


def test_of_two_commits_under_way_one_ends_first() -> None:
    commits = Commits()
    commits.begin(["notes"])
    commits.begin(["notes"])
    commits.end({"notes": None})

    assert not commits.unchanged(["notes"], commits.count)
    commits.end({"notes": None})
    assert commits.unchanged(["notes"], commits.count)


def test_rows_of_commits_that_were_under_way_at_once_are_in_no_order() -> None:
    commits, row = Commits(), WrittenRow(None, {"id": 1})
    commits.begin(["notes"])
    commits.begin(["notes"])
    commits.end({"notes": [row]})
    commits.end({"notes": [row]})
    together = commits.rows("notes", 0)
    commits.begin(["notes"])
    commits.end({"notes": [row]})

    assert together is None
    assert commits.rows("notes", 2) == (3, [row])


def test_a_database_that_is_not_open_has_no_commits() -> None:
    engine: Any = create_engine("duckdb:///:memory:")
    postgresql = create_async_engine("postgresql+psycopg://nobody@nowhere/none")

    assert commits_of(engine.dialect) is None
    assert commits_of(postgresql.dialect) is commits_of(postgresql.dialect) is not None


def test_the_begin_of_transactions_is_noted_once() -> None:
    engine = create_engine("duckdb:///:memory:")
    listeners = len(engine.dispatch.begin)

    note_begin(engine)
    note_begin(engine.execution_options(schema_translate_map={}))

    assert len(engine.dispatch.begin) == listeners + 1
    assert not event.contains(engine, "begin", print)
