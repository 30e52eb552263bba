"""What a column asks of its values beyond its type, told by ``info`` of the column.

============================ =============================================================
``info={"shortest": 10}``    text has at least 10 characters
``info={"object": True}``    a JSON document is an object, which is a dict, and no list or text
============================ =============================================================

Repositories and bulk refuse other values before anything is sent, and name the row. A CHECK
constraint says the same to whoever writes in another way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Column

__all__ = ["has_limits", "why_not"]


def has_limits(column: Column[Any]) -> bool:
    """Return whether a column asks anything of its values."""
    return "shortest" in column.info or "object" in column.info


def why_not(column: Column[Any], value: object) -> str | None:
    """Return why a value that is not None is none for a column; None if it is."""
    shortest = column.info.get("shortest", 0)
    if isinstance(value, str) and len(value) < shortest:
        return f"it has {len(value)} characters, and the column takes {shortest} or more"
    if column.info.get("object") and not isinstance(value, dict):
        return f"the document is an object, not {type(value).__name__}"
    return None
