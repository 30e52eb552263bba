"""The keys of answers: readable, and never the same for other arguments."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import uuid
from decimal import Decimal
from typing import Any, Final

from andamios_orm.exceptions import QueryRefused

__all__ = ["cache_key"]

_LONGEST: Final = 120
_PLAIN: Final = (type(None), bool, int, float, str, bytes, Decimal)
_NAMED: Final = (uuid.UUID, dt.datetime, dt.date, dt.time, dt.timedelta)


def cache_key(name: str, *arguments: object, **named: object) -> str:
    """Return a key that begins with ``name``; what follows is hashed where it is long.

    >>> cache_key("related", 7, depth=2)
    'related:7,depth=2'
    >>> cache_key("related", "7") == cache_key("related", 7)
    False

    Raises:
        QueryRefused: an argument cannot be told from others.
    """
    texts = [_text(each) for each in arguments]
    texts += [f"{option}={_text(value)}" for option, value in sorted(named.items())]
    described = ",".join(texts)
    if len(described) > _LONGEST:
        described = "#" + hashlib.blake2b(described.encode(), digest_size=20).hexdigest()
    return f"{name}:{described}"


def _text(value: Any) -> str:
    """Return what tells ``value`` from every other; the type is part of it."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__module__}.{type(value).__qualname__}.{value.name}"
    if type(value) in _PLAIN:
        return repr(value)
    if type(value) in _NAMED:
        return f"{type(value).__name__}({value})"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[{','.join(map(_text, value))}]"
    if isinstance(value, set | frozenset):
        return f"set[{','.join(sorted(map(_text, value)))}]"
    if isinstance(value, dict):
        pairs = sorted(f"{_text(key)}:{_text(each)}" for key, each in value.items())
        return f"dict[{','.join(pairs)}]"
    raise QueryRefused(
        f"a {type(value).__name__} cannot be told from another one: pass its key, or plain values"
    )
