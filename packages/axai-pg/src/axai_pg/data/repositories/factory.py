"""All repositories on one session."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from andamios_orm.exceptions import QueryRefused
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
    from collections.abc import AsyncIterator, Iterable

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.repositories import Middleware
    from axai_pg.data.config.manager import DatabaseManager

__all__ = ["RepositoryFactory"]

ModelT = TypeVar("ModelT")


class RepositoryFactory:
    """The repositories of one session, for everybody or for a viewer.

    For a viewer, documents that they may not read are not there, nor is what belongs to these:
    summaries, topics that they are about, places in collections, nodes and relationships.
    Topics and names of collections are for everybody who is active in the organisation.

    ::

        async with RepositoryFactory.scope(manager, org_id, user_id) as repositories:
            await repositories.documents.find_by_status("published")
    """

    def __init__(
        self,
        session: AsyncSession,
        *,
        viewer: uuid.UUID | None = None,
        middleware: Iterable[Middleware] = (),
    ) -> None:
        """Work on a session, for everybody or for a user: ``viewer``.

        ``middleware`` is used by each repository: ``[metrics.middleware]`` measures them all.
        """
        self.session = session
        self.viewer = viewer
        self.middleware = tuple(middleware)

    @classmethod
    @asynccontextmanager
    async def scope(
        cls,
        manager: DatabaseManager,
        org_id: uuid.UUID | str,
        user_id: uuid.UUID | str | None = None,
        *,
        viewer: uuid.UUID | None = None,
        middleware: Iterable[Middleware] = (),
    ) -> AsyncIterator[RepositoryFactory]:
        """Yield the repositories of a scope; commit in the end, or roll back on any error.

        ``user_id`` is who acts, which the audit log has; ``viewer``, mostly the same user, is
        by whose permissions. Each repository uses ``middleware``.

        Raises:
            OrganizationChanged: it is inside a scope of another organisation.
            ValueRefused: a key is no UUID.
        """
        async with manager.async_session_scope(org_id, user_id) as session:
            yield cls(session, viewer=viewer, middleware=middleware)

    @cached_property
    def organizations(self) -> OrganizationRepository:
        """The organisation of the session."""
        return OrganizationRepository(self.session).use(*self.middleware)

    @cached_property
    def users(self) -> UserRepository:
        """Its users."""
        return UserRepository(self.session).use(*self.middleware)

    @cached_property
    def documents(self) -> DocumentRepository:
        """Its documents, as the viewer may see them."""
        return DocumentRepository(self.session, viewer=self.viewer).use(*self.middleware)

    @cached_property
    def collections(self) -> CollectionRepository:
        """Its collections, with documents that the viewer may see."""
        return CollectionRepository(self.session, viewer=self.viewer).use(*self.middleware)

    @cached_property
    def topics(self) -> TopicRepository:
        """Its topics, and what documents are about, as the viewer may see that."""
        return TopicRepository(self.session, viewer=self.viewer).use(*self.middleware)

    @cached_property
    def summaries(self) -> SummaryRepository:
        """Its summaries, of documents that the viewer may see."""
        return SummaryRepository(self.session, viewer=self.viewer).use(*self.middleware)

    @cached_property
    def graph(self) -> GraphRepository:
        """Its graph, of documents that the viewer may see."""
        return GraphRepository(self.session, viewer=self.viewer).use(*self.middleware)

    def of(self, model: type[ModelT]) -> BaseRepository[ModelT]:
        """Return a repository of any other model, such as ``Role``.

        Raises:
            QueryRefused: there is a viewer, of whom that repository would know nothing.
        """
        if self.viewer is not None:
            raise QueryRefused(
                f"a repository of {model.__name__} knows nothing of a viewer: use "
                f"RepositoryFactory(session).of(), where that is meant"
            )
        return BaseRepository(self.session, model).use(*self.middleware)
