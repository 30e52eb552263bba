"""The registry knows each column of the live catalogue, and of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axai_pg.data.models import Base
from axai_pg.data.privacy import Erasure
from axai_pg.data.privacy.registry import REGISTRY

if TYPE_CHECKING:
    import psycopg

pytestmark = [pytest.mark.integration, pytest.mark.db]

COLUMNS = """
SELECT relname, attname, format_type(atttypid, NULL), EXISTS (
    SELECT FROM pg_constraint WHERE conrelid = attrelid AND contype = 'c' AND conkey = ARRAY[attnum]
    AND pg_get_constraintdef(oid) LIKE '%ANY%ARRAY[%'
) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
AND attnum > 0 AND NOT attisdropped
"""
KEYS_TO_USERS = """
SELECT conrelid::regclass::text, attname FROM pg_constraint
JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
WHERE contype = 'f' AND confrelid = 'public.users'::regclass AND attname <> 'org_id'
"""
FEW_WORDS = {"uuid", "timestamp with time zone", "boolean", "integer", "bigint", "numeric"}
"""Types that hold no words."""


def unknown(superuser: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    """Return the columns that one of both has, the registry or the catalogue."""
    known = {(table, column) for table, rule in REGISTRY.items() for column in rule.columns}
    return known ^ {(table, column) for table, column, *_ in superuser.execute(COLUMNS).fetchall()}


def test_every_column_is_declared(superuser: psycopg.Connection[Any]) -> None:
    assert unknown(superuser) == set()
    modelled = {
        (table.name, each.name) for table in Base.metadata.sorted_tables for each in table.c
    }
    assert modelled == {(table, each) for table, rule in REGISTRY.items() for each in rule.columns}


def test_what_is_added_is_missed(superuser: psycopg.Connection[Any]) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute("ALTER TABLE users ADD COLUMN nickname text")
        superuser.execute("CREATE TABLE visits (visitor text)")

        assert unknown(superuser) == {("users", "nickname"), ("visits", "visitor")}


def test_what_has_room_for_words_does_not_hold_nothing(
    superuser: psycopg.Connection[Any],
) -> None:
    roomy = {
        (table, column)
        for table, column, kind, is_choice in superuser.execute(COLUMNS).fetchall()
        if kind not in FEW_WORDS and not is_choice
    }

    assert roomy
    assert not {
        (table, column)
        for table, column in roomy
        if REGISTRY[table].columns[column].erasure is Erasure.NOTHING
    }


def test_no_key_to_users_is_nothing_of_a_person(superuser: psycopg.Connection[Any]) -> None:
    keys = superuser.execute(KEYS_TO_USERS).fetchall()

    assert len(keys) >= 8
    assert not [key for key in keys if REGISTRY[key[0]].columns[key[1]].erasure is Erasure.NOTHING]


def test_what_stays_has_a_reason_and_nothing_else_has() -> None:
    columns = [column for rule in REGISTRY.values() for column in rule.columns.values()]

    assert [
        each for each in columns if bool(each.reason) is not (each.erasure is Erasure.KEPT)
    ] == []


def test_whatever_is_removed_or_goes_is_exported() -> None:
    about = {Erasure.REMOVED, Erasure.DOCUMENTS}
    with_something = {
        name
        for name, rule in REGISTRY.items()
        if about & {column.erasure for column in rule.columns.values()}
    }

    assert with_something == {name for name in with_something if REGISTRY[name].rows is not None}


def test_no_model_keeps_history() -> None:
    models = [mapper.class_ for mapper in Base.registry.mappers]

    assert models
    assert [model for model in models if model.__history__] == []
