"""What a model is told of its rows: each as it was, and as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WrittenRow"]


class WrittenRow(NamedTuple):
    """A row before and after it was written, by attribute; None where it did not exist."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
