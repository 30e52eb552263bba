"""Who is acting: the name that audit columns and change records carry."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["acting_as", "current_actor"]

_actor: ContextVar[str | None] = ContextVar("andamios_actor", default=None)


@contextmanager
def acting_as(name: str | None) -> Iterator[None]:
    """Return a context in which ``name`` is the one who acts.

    It belongs to the task: other tasks keep their own, tasks started inside inherit it.

    >>> with acting_as("ana"):
    ...     current_actor()
    'ana'
    """
    token = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(token)


def current_actor() -> str | None:
    """Return who acts in this task, or None if nobody said."""
    return _actor.get()
