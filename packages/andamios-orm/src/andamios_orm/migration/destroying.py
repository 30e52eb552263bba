"""Which revisions take data away, so that a backup is worth its time."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any, Final

__all__ = ["destroys"]

_DROPS: Final = frozenset({"drop_table", "drop_column"})
_SQL: Final = re.compile(r"\s*(?:DROP|DELETE|TRUNCATE)\b", re.IGNORECASE)


def destroys(module: Any, direction: str) -> bool:
    """Return whether a revision drops a table or a column, or deletes rows.

    Its source is read, not run. A revision may say it itself: ``destructive = False``.
    """
    said = getattr(module, "destructive", None)
    if said is not None:
        return bool(said)
    work = getattr(module, direction)
    if not inspect.isfunction(work):
        return False
    tree = ast.parse(textwrap.dedent(inspect.getsource(work)))
    return any(map(_takes_away, ast.walk(tree)))


def _takes_away(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _DROPS
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return is_text and _SQL.match(node.value) is not None  # type: ignore[attr-defined]  # a constant has a value
