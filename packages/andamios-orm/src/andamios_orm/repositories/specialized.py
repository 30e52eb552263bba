"""Repositories for less, and for other questions: read-only ones, and analytics."""

from __future__ import annotations

from typing import TypeVar

from andamios_orm.repositories.reading import Reader

__all__ = ["ReadOnlyRepository"]

ModelT = TypeVar("ModelT")


class ReadOnlyRepository(Reader[ModelT]):
    """The questions of a repository, without a method that could write."""
