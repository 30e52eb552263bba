"""A repository for a model that needs no class of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from andamios_orm.repositories.base import BaseRepository

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core import SessionManager

__all__ = ["GenericRepository"]

ModelT = TypeVar("ModelT")


class GenericRepository(BaseRepository[ModelT]):
    """All of ``BaseRepository`` for the model it is given: the one to use, not to derive from.

    >>> from andamios_orm.repositories import GenericRepository
    >>> GenericRepository.create.__doc__.splitlines()[0]
    'Return a new row, stored, with what the database filled in.'
    """

    def __init__(self, source: AsyncSession | SessionManager, model: type[ModelT]) -> None:
        """Work on rows of ``model``, on a session or a database.

        Raises:
            ConfigurationError: ``model`` is not mapped, or ``source`` is neither of the two.
        """
        super().__init__(source, model)
