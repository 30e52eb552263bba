"""EXPLAIN as a statement around another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement, Executable

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["Explain"]


class Explain(Executable, ClauseElement):
    """Gives the database's plan for a query."""

    inherit_cache = False

    def __init__(self, statement: Select[Any], *, analyze: bool) -> None:
        """Explain ``statement``; with ``analyze`` it is run and measured."""
        self.statement = statement
        self.analyze = analyze


@compiles(Explain)
def _compile(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    words = "EXPLAIN ANALYZE" if element.analyze else "EXPLAIN"
    return f"{words} {compiler.process(element.statement, **options)}"
