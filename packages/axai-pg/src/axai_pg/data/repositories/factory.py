"""All repositories on one session."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from axai_pg.data.repositories.base import BaseRepository
from axai_pg.data.repositories.collection import CollectionRepository
from axai_pg.data.repositories.document import DocumentRepository
from axai_pg.data.repositories.graph import GraphRepository
from axai_pg.data.repositories.organization import OrganizationRepository
from axai_pg.data.repositories.summary import SummaryRepository
from axai_pg.data.repositories.topic import TopicRepository
from axai_pg.data.repositories.user import UserRepository

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg.data.config.manager import DatabaseManager

__all__ = ["RepositoryFactory"]

ModelT = TypeVar("ModelT")


class RepositoryFactory:
    """The repositories of one session, for everybody or for a viewer.

    ::

        async with RepositoryFactory.scope(manager, org_id, user_id) as repositories:
            await repositories.documents.find_by_status("published")
    """

    def __init__(self, session: AsyncSession, *, viewer: uuid.UUID | None = None) -> None:
        """Work on a session; documents are those that ``viewer`` may see, if there is one."""
        self.session = session
        self.viewer = viewer

    @classmethod
    @asynccontextmanager
    async def scope(
        cls,
        manager: DatabaseManager,
        org_id: uuid.UUID | str,
        user_id: uuid.UUID | str | None = None,
    ) -> AsyncIterator[RepositoryFactory]:
        """Yield the repositories of a scope; commit in the end, or roll back on any error.

        Raises:
            OrganizationChanged: it is inside a scope of another organisation.
            ValueRefused: a key is no UUID.
        """
        async with manager.async_session_scope(org_id, user_id) as session:
            yield cls(session)

    @cached_property
    def organizations(self) -> OrganizationRepository:
        """The organisation of the session."""
        return OrganizationRepository(self.session)

    @cached_property
    def users(self) -> UserRepository:
        """Its users."""
        return UserRepository(self.session)

    @cached_property
    def documents(self) -> DocumentRepository:
        """Its documents, as the viewer may see them."""
        return DocumentRepository(self.session, viewer=self.viewer)

    @cached_property
    def collections(self) -> CollectionRepository:
        """Its collections."""
        return CollectionRepository(self.session)

    @cached_property
    def topics(self) -> TopicRepository:
        """Its topics."""
        return TopicRepository(self.session)

    @cached_property
    def summaries(self) -> SummaryRepository:
        """Its summaries."""
        return SummaryRepository(self.session)

    @cached_property
    def graph(self) -> GraphRepository:
        """Its graph."""
        return GraphRepository(self.session)

    def of(self, model: type[ModelT]) -> BaseRepository[ModelT]:
        """Return a repository of any other model, such as ``Role``."""
        return BaseRepository(self.session, model)
