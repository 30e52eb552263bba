"""What the errors say, whose errors they are, and that they travel between processes."""

from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy.orm import exc as orm_exc

from andamios_orm import exceptions
from andamios_orm.exceptions import (
    AndamiosError,
    BulkRefused,
    ConstraintViolation,
    DatabaseFault,
    DatabaseLocked,
    DatabaseUnavailable,
    DataFault,
    DecryptionFailed,
    LoadTooLarge,
    MigrationFailed,
    MigrationLocked,
    MoreThanOne,
    NestedTransactionUnsupported,
    NotFound,
    NotLoaded,
    OperationFault,
    PoolExhausted,
    RowRefusal,
    StaleVersion,
    StatementRefused,
    StatementTimeout,
    TransactionAborted,
    UncommittedChanges,
    ValueRefused,
    WriteGateTimeout,
)

pytestmark = pytest.mark.unit

KINDS: list[Any] = [getattr(exceptions, name) for name in exceptions.__all__]

_OWN: dict[Any, dict[str, Any]] = {
    ConstraintViolation: {"table": "a", "columns": ("x",), "value": "7", "constraint": "rule"},
    StatementRefused: {"kind": "COPY"},
    StaleVersion: {"expected": 1, "actual": 2},
    TransactionAborted: {"cause_message": "no such table"},
    StatementTimeout: {"seconds": 1.5},
    WriteGateTimeout: {"holder": "task 'a'", "age": 2.5, "last_statement": "UPDATE a"},
    DatabaseUnavailable: {"path": Path("a.duckdb")},
    DatabaseLocked: {"pid": 42},
}


def _own(kind: Any) -> dict[str, Any]:
    """Return the attributes that an error of this class has beside every other's."""
    return {
        name: value
        for base, attributes in _OWN.items()
        if issubclass(kind, base)
        for name, value in attributes.items()
    }


_ARGUMENTS: dict[Any, tuple[Any, ...]] = {
    NotFound: ("Project", 7),
    MoreThanOne: ("Project", "name='a'"),
    NotLoaded: ("Project", "tasks"),
    ValueRefused: ("too long", "abc", "title"),
    BulkRefused: ("Project", [RowRefusal(7, "title", "too long", "abc")]),
    LoadTooLarge: (2**30, 2**20),
    PoolExhausted: ("none is free", ["task 'a' for 1.0 s"]),
    MigrationLocked: (1.5, "process 7"),
}


def _example(kind: Any) -> BaseException:
    """Return an error of this class, with all that it can carry."""
    example: BaseException
    if issubclass(kind, DatabaseFault):
        example = kind(
            "it broke",
            statement="SELECT $1",
            params=(1,),
            orig=ValueError("the driver's"),
            connection_invalidated=True,
            **_own(kind),
        )
    elif kind is MigrationFailed:
        example = kind("1a2b", "upgrade", path=Path("a.py"), statement="SELECT 1", reason="no")
    else:
        example = kind(*_ARGUMENTS.get(kind, ("it broke",)))
    return example


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])  # noqa: S301 - our own
def test_an_error_arrives_as_it_was_sent(kind: Any, travel: Any) -> None:
    sent = _example(kind)

    arrived = travel(sent)

    assert type(arrived) is kind
    assert str(arrived) == str(sent)
    assert arrived.args == sent.args
    assert repr(vars(arrived)) == repr(vars(sent))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not UncommittedChanges])
def test_a_traceback_ends_with_where_the_documentation_is(kind: Any) -> None:
    error = _example(kind)
    error.add_note("from elsewhere")

    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    lines = "".join(traceback.format_exception_only(arrived)).splitlines()
    assert lines[-2:] == [f"What to do: {kind.docs}", "from elsewhere"]
    assert kind.docs not in str(arrived)


def test_an_error_derived_elsewhere_keeps_the_place_of_its_parent() -> None:
    class ProjectMissing(NotFound):
        """An application's own error."""

    assert ProjectMissing.docs == NotFound.docs


def test_notes_can_be_set_anew() -> None:
    error = NotFound("Project", 7)

    error.__notes__ = ["of mine"]

    assert error.__notes__ == ["of mine"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, DatabaseFault)])
def test_a_fault_keeps_what_a_handler_may_want(kind: Any) -> None:
    error: Any = _example(kind)

    kept = {name: getattr(error, name) for name in _own(kind)}

    assert kept == _own(kind)
    assert (error.statement, error.params, str(error.orig)) == ("SELECT $1", (1,), "the driver's")
    assert error.connection_invalidated
    assert "it broke" in str(error)
    assert "sqlalche.me" not in str(error)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not UncommittedChanges])
def test_every_error_is_of_one_tree(kind: Any) -> None:
    assert issubclass(kind, AndamiosError)


@pytest.mark.parametrize(
    ("kind", "caught_as"),
    [
        (NotFound, LookupError),
        (NotLoaded, sa_exc.InvalidRequestError),
        (DecryptionFailed, ValueError),
        (ValueRefused, ValueError),
        (PoolExhausted, sa_exc.TimeoutError),
        (DatabaseFault, sa_exc.DBAPIError),
        (ConstraintViolation, sa_exc.IntegrityError),
        (DataFault, sa_exc.DataError),
        (StatementRefused, sa_exc.ProgrammingError),
        (NestedTransactionUnsupported, sa_exc.NotSupportedError),
        (OperationFault, sa_exc.OperationalError),
        (StaleVersion, orm_exc.StaleDataError),
        (StatementTimeout, TimeoutError),
        (WriteGateTimeout, TimeoutError),
        (UncommittedChanges, RuntimeWarning),
    ],
)
def test_an_error_is_caught_as_what_it_was_before(kind: Any, caught_as: type[Exception]) -> None:
    with pytest.raises(caught_as):
        raise _example(kind)


def test_a_row_that_was_not_found_is_named() -> None:
    error = NotFound("Project", 7)

    assert str(error) == "Project 7 does not exist"
    assert (error.model, error.key) == ("Project", 7)


def test_a_relationship_that_was_not_loaded_is_named_with_both_ways_to_load_it() -> None:
    error = NotLoaded("Project", "tasks")

    assert (error.model, error.relation) == ("Project", "tasks")
    assert str(error).startswith("Project.tasks is not loaded")
    assert "load=[Project.tasks]" in str(error)
    assert "select(Project).options(selectinload(Project.tasks))" in str(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueRefused("too long", "abc", "title"), "column 'title': 'abc' is refused: too long"),
        (ValueRefused("too long", "abc"), "'abc' is refused: too long"),
        (ValueRefused("too long", "a" * 99), f"'{'a' * 79}… is refused: too long"),
    ],
)
def test_a_refused_value_is_shown_shortened_with_its_column(error: ValueRefused, said: str) -> None:
    assert str(error) == said


def test_a_refused_bulk_counts_its_rows_and_names_the_first_ones() -> None:
    errors = [RowRefusal(row, "name", "too long", "x") for row in range(12)]

    message = str(BulkRefused("Project", errors))

    assert message.startswith(
        "Project: 12 rows refused, nothing was written: row 0, name: too long"
    )
    assert message.endswith("; and 2 more")


def test_a_refused_bulk_names_a_column_that_is_wrong_in_every_row() -> None:
    error = BulkRefused("Project", [RowRefusal(None, "id", "it is generated")])

    assert str(error) == (
        "Project: every row refused, nothing was written: every row, id: it is generated"
    )


def test_a_refused_row_needs_no_field() -> None:
    assert str(RowRefusal(3, "", "it is no dict")) == "row 3: it is no dict"


def test_what_is_too_large_for_one_transaction_says_by_how_much() -> None:
    assert "takes about 1024 MiB and 1 MiB are available" in str(LoadTooLarge(2**30, 2**20))
