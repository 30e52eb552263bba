"""The key of a row, however the caller writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy.sql import ClauseElement

from andamios_orm.exceptions import UnknownField, ValueRefused

if TYPE_CHECKING:
    from andamios_orm.repositories.fields import Fields

__all__ = ["Key", "key_of", "plain_key"]

Key: TypeAlias = Any
"""A value; for a composite key a tuple in the model's order, or a mapping by attribute."""


def key_of(fields: Fields, key: Key) -> tuple[Any, ...]:
    """Return the checked parts of a key in the model's order.

    Raises:
        UnknownField: a mapping names something that is no part of the key.
        ValueRefused: a part is missing, or does not fit its column.
    """
    parts = _parts(fields, key)
    for name, part in zip(fields.key, parts, strict=True):
        if part is None:
            raise ValueRefused("a key has a value in each part", part, name)
        if hasattr(part, "__clause_element__") or isinstance(part, ClauseElement):
            raise ValueRefused("a key is a value, not an expression", str(part), name)
        fields.check(name, part)
    return parts


def _parts(fields: Fields, key: Key) -> tuple[Any, ...]:
    if isinstance(key, Mapping):
        for name in key:
            if name not in fields.key:
                title = fields.model.__name__
                raise UnknownField(f"{name!r:.60} is no part of the key of {title}", fields.key)
        missing = [name for name in fields.key if name not in key]
        if missing:
            raise ValueRefused(f"the key of {fields.model.__name__} lacks {missing}", dict(key))
        return tuple(key[name] for name in fields.key)
    if len(fields.key) == 1 and not isinstance(key, tuple):
        return (key,)
    if not isinstance(key, tuple) or len(key) != len(fields.key):
        wanted = ", ".join(fields.key)
        raise ValueRefused(f"the key of {fields.model.__name__} is ({wanted})", key)
    return key


def plain_key(parts: tuple[Any, ...]) -> Any:
    """Return a key as its caller would write it: a tuple only if it has several parts."""
    return parts[0] if len(parts) == 1 else parts
