"""Calls of the driver that take values, spared from looking for pandas at each of them.

DuckDB asks of every value whether it is ``pandas.NaT`` or ``pandas.NA``, and so
imports pandas twice a value. Where pandas is not installed, both imports walk
the whole path in vain: 140 of the 280 us of a point read, and seconds for a list
of ten thousand values. Where it is installed, the first statement would load it.

Neither is needed: a value can only be pandas' if pandas has been imported. The
C API imports through the ``__import__`` of the calling frame's builtins, so two
functions with builtins of their own answer at once, and nothing else in the
process notices.
"""

from __future__ import annotations

import builtins
import sys
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import duckdb

__all__ = ["execute", "executemany", "lent"]


def _import(name: str, *arguments: Any) -> Any:
    if name == "pandas" and name not in sys.modules:
        raise ModuleNotFoundError(name)
    return builtins.__import__(name, *arguments)


def _execute(raw: Any, statement: Any, values: Any) -> Any:
    return raw.execute(statement, values)


def _executemany(raw: Any, statement: Any, values: Any) -> Any:
    return raw.executemany(statement, values)


def _spared(function: Any) -> Any:
    return FunctionType(function.__code__, {"__builtins__": {"__import__": _import}})


execute = cast("Callable[[duckdb.DuckDBPyConnection, Any, Any], Any]", _spared(_execute))
"""Run a statement with its values: ``execute(connection, statement, values)``."""

executemany = cast("Callable[[duckdb.DuckDBPyConnection, Any, Any], Any]", _spared(_executemany))
"""Run a statement once for each set of values."""


@contextmanager
def lent(raw: duckdb.DuckDBPyConnection, tables: Mapping[str, Any]) -> Iterator[None]:
    """Let statements of the block read tables of Arrow by name."""
    try:
        for name, table in tables.items():
            raw.register(name, table)
        yield
    finally:
        for name in tables:
            raw.unregister(name)
