"""SQLAlchemy's dialect compliance suite, adapted to what DuckDB does otherwise.

An override changes only what a limit of ``limits.py`` forces, and keeps what its test proves.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

from sqlalchemy import (
    CHAR,
    VARCHAR,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    inspect,
    testing,
)
from sqlalchemy.schema import Column
from sqlalchemy.testing import suite
from sqlalchemy.testing.assertions import eq_
from sqlalchemy.testing.suite import *  # noqa: F403 - pytest collects the classes from here


class _OneRowAtATime:
    """Runs an INSERT of many rows as one statement for each."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: Any, rows: Any) -> None:
        for row in rows:
            self._connection.execute(statement, row)


class CTETest(suite.CTETest):
    """Limit ``self-reference``: a row cannot refer to another one of its own statement."""

    @classmethod
    def insert_data(cls, connection: Any) -> None:
        super().insert_data(_OneRowAtATime(connection))


class ServerSideCursorsTest(suite.ServerSideCursorsTest):
    """The suite tells such a cursor by the name of a driver that it knows."""

    def _is_server_side(self, cursor: Any) -> bool:
        return bool(cursor.server_side)


class ExactTrueDivTest(suite.TrueDivTest):
    """Limit ``decimal-division``: with this option, decimals are divided as decimals."""

    __engine_options__ = {"exact_decimal_division": True}  # noqa: RUF012 - SQLAlchemy's name and form


class _InOrder:
    """A connection whose results come back sorted."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: Any) -> Any:
        return mock.Mock(all=lambda: sorted(self._connection.execute(statement).all()))


if hasattr(suite.WindowFunctionTest, "test_window_range"):  # SQLAlchemy 2.1

    class WindowFunctionTest(suite.WindowFunctionTest):
        """Limit ``row-order``: rows that are not ordered come in any order."""

        @testing.requires.window_range
        def test_window_range(self, connection: Any) -> None:
            super().test_window_range(_InOrder(connection))

        @testing.requires.window_range_numeric
        def test_window_range_numeric(self, connection: Any) -> None:
            super().test_window_range_numeric(_InOrder(connection))


class LongNameBlowoutTest(suite.LongNameBlowoutTest):
    """Limit ``constraint-names``: the long name is accepted, another one is read back."""

    def pk(self, metadata: Any, connection: Any) -> Any:
        return _name_not_kept(*super().pk(metadata, connection))

    def uq(self, metadata: Any, connection: Any) -> Any:
        return _name_not_kept(*super().uq(metadata, connection))

    def ck(self, metadata: Any, connection: Any) -> Any:
        return _name_not_kept(*super().ck(metadata, connection))


def _name_not_kept(given: str, reflected: str) -> tuple[str, None]:
    assert reflected
    assert reflected != given
    return given, None


class ComponentReflectionTestExtra(suite.ComponentReflectionTestExtra):
    """Limits ``constraint-names`` and ``string-length``."""

    def ck_eq(self, reflected: Any, expected: Any) -> None:
        super().ck_eq(reflected, [{**constraint, "name": mock.ANY} for constraint in expected])

    def _cc_by_name(self, reflected: Any, _name: str) -> Any:
        (only,) = reflected
        return only["sqltext"]

    @testing.combinations(String, VARCHAR, CHAR, argnames="type_")
    def test_string_length_reflection(self, connection: Any, metadata: Any, type_: Any) -> None:
        (reflected,) = self._type_round_trip(connection, metadata, type_(52))
        assert isinstance(reflected, String)
        assert reflected.length is None


class ComponentReflectionTest(suite.ComponentReflectionTest):
    """Limits ``constraint-names``, ``constraint-comments`` and ``string-length``."""

    def exp_fks(self, *arguments: Any, **options: Any) -> Any:
        return _nameless(super().exp_fks(*arguments, **options))

    def exp_ucs(self, *arguments: Any, **options: Any) -> Any:
        return _nameless(super().exp_ucs(*arguments, **options))

    def exp_ccs(self, *arguments: Any, **options: Any) -> Any:
        return _nameless(super().exp_ccs(*arguments, **options))

    def exp_pks(self, *arguments: Any, **options: Any) -> Any:
        expected = super().exp_pks(*arguments, **options)
        return {table: {**key, "comment": None} for table, key in expected.items()}

    def _adjust_sort(self, result: Any, expected: Any, key: Any) -> None:
        for constraints in (*result.values(), *expected.values()):
            constraints.sort(key=key)

    def assert_tables_equal(self, table: Table, reflected_table: Table, **options: Any) -> None:
        expected = table.to_metadata(MetaData())
        for column in expected.c:
            if isinstance(column.type, String):
                column.type = String()
        super().assert_tables_equal(expected, reflected_table, **options)

    @testing.combinations((True, testing.requires.schemas), (False,), argnames="use_schema")
    @testing.requires.unique_constraint_reflection
    def test_get_unique_constraints(self, metadata: Any, connection: Any, use_schema: Any) -> None:
        schema = testing.config.test_schema if use_schema else None
        columns = {("a",), ("a", "b", "c"), ("c", "a", "b"), ("asc", "key"), ("b",), ("c",)}
        Table(
            "testtbl",
            metadata,
            *(Column(name, Integer) for name in ("a", "b", "c", "asc", "key")),
            *(UniqueConstraint(*names, name=f"my {names}") for names in columns),
            schema=schema,
        ).create(connection)

        inspector = inspect(connection)
        reflected = inspector.get_unique_constraints("testtbl", schema=schema)
        eq_({tuple(constraint["column_names"]) for constraint in reflected}, columns)
        eq_(len({constraint["name"] for constraint in reflected}), len(columns))
        table = Table("testtbl", MetaData(), autoload_with=connection, schema=schema)
        eq_(table.indexes, set())
        eq_(inspector.get_unique_constraints("no_constraints", schema=schema), [])

    @testing.combinations("UQ_email", "uq_email", "mixedCaseUQ", "uq.with.dots", argnames="uq_name")
    @testing.requires.unique_constraint_reflection
    def test_get_unique_constraints_quoted_name(
        self, connection: Any, metadata: Any, uq_name: str
    ) -> None:
        Table(
            "test_table",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("email", String(50)),
            UniqueConstraint("email", name=uq_name),
        )
        metadata.create_all(connection)

        (constraint,) = inspect(connection).get_unique_constraints("test_table")
        eq_(constraint["column_names"], ["email"])
        eq_(constraint["name"], "test_table_email_key")


def _nameless(expected: Any) -> Any:
    return {
        table: [{**constraint, "name": mock.ANY, "comment": None} for constraint in constraints]
        for table, constraints in expected.items()
    }
