"""What the commands of several programs that ask have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from andamios_orm.exceptions import QueryRefused, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["asked"]


@contextmanager
def asked() -> Iterator[None]:
    """Let a value that is refused be a question that is: the command was called wrongly.

    Raises:
        QueryRefused: a value was refused.
    """
    try:
        yield
    except ValueRefused as error:
        name = f"{error.column} " if error.column else ""
        raise QueryRefused(f"{name}{error.value!r}: {error.reason}") from error
