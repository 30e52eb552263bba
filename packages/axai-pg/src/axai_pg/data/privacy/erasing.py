"""A person is erased: what tells who it was goes, the row that others refer to stays empty."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from sqlalchemy import delete, func, inspect, select, text, update

from andamios_orm.exceptions import ValueRefused
from andamios_orm.models.actor import acting_as
from axai_pg.data.caching import CacheManager
from axai_pg.data.models import (
    Collection,
    Document,
    DocumentCollection,
    DocumentPermission,
    DocumentTopic,
    DocumentVersion,
    GraphNode,
    GraphRelationship,
    PersonalDataRequest,
    RequestKind,
    RequestStatus,
    Summary,
    User,
    UserRole,
)
from axai_pg.data.privacy.persons import (
    find_person,
    refuse_last_administrator,
    require_successor,
)
from axai_pg.data.privacy.registry import REGISTRY, of_documents
from axai_pg.data.security.permissions import isolated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Delete, Update
    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg.data.privacy.persons import Person

__all__ = ["ErasureReport", "erase_person"]

Documents: TypeAlias = Literal["reassign", "erase"]

_ATTACHED: Final = (
    GraphRelationship,
    GraphNode,
    Summary,
    DocumentTopic,
    DocumentPermission,
    DocumentCollection,
    DocumentVersion,
    Document,
)
"""What is erased with documents, children first: rows that go by themselves are not counted."""
_TRACES: Final = text("SELECT current_setting('axai.erased')")
"""Where the database says of how many entries it has removed what named a user."""
_NOBODY: Final = text("SELECT set_config('axai.user_id', '', true)")


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """How many rows of each table were deleted or changed, or would be after a dry run."""

    user_id: uuid.UUID
    counts: Mapping[str, int]
    is_dry_run: bool
    was_erased: bool
    """Whether the person had been erased before."""


async def erase_person(
    session: AsyncSession,
    user_id: uuid.UUID | str,
    *,
    documents: Documents,
    reassign_to: uuid.UUID | str | None = None,
    dry_run: bool = False,
) -> ErasureReport:
    """Return what was erased of a user, in the transaction of ``session``.

    ``documents="reassign"`` hands documents and collections over to the user ``reassign_to``,
    as they are; ``"erase"`` deletes them, with versions, summaries and what was found in them.
    The row in ``users`` stays, without anything that tells who it was. A second time nothing
    is left to do. With ``dry_run`` all is done, counted and rolled back, in a savepoint.
    Names that a user had before stay in the details of the audit log, and are not counted.

    Raises:
        NotFound: there is no such user, or ``reassign_to`` is none; one of another
            organisation is none.
        LastAdministrator: nobody else administers the organisation.
        ValueRefused: it is not said what becomes of the documents.
    """
    if documents not in get_args(Documents):
        known = " and ".join(get_args(Documents))
        raise ValueRefused(f"the ways are {known}", documents, "documents")
    if (documents == "reassign") is (reassign_to is None):
        raise ValueRefused(
            "documents='reassign' needs somebody to hand them to, 'erase' nobody",
            reassign_to,
            "reassign_to",
        )
    await session.flush()
    if not dry_run:
        return await _erase(session, user_id, reassign_to)
    async with session.begin_nested() as savepoint:
        report = await _erase(session, user_id, reassign_to, dry_run=True)
        await savepoint.rollback()
    return report


async def _erase(
    session: AsyncSession,
    user_id: uuid.UUID | str,
    reassign_to: uuid.UUID | str | None,
    *,
    dry_run: bool = False,
) -> ErasureReport:
    # Administrators are locked in one order, and so before the row itself.
    await refuse_last_administrator(session, await find_person(session, user_id))
    person = await find_person(session, user_id, lock=True)
    await refuse_last_administrator(session, person)
    was_erased = person.erased_at is not None
    if reassign_to is None:
        statements = _erased_documents(person)
    else:
        successor = await require_successor(session, person, reassign_to)
        statements = _reassigned_documents(person, successor)
    if isolated(session).scope.user_id == person.id:
        await session.execute(_NOBODY)  # nor is it said who erased themselves
    rows: dict[str, set[uuid.UUID]] = {table: set() for table in REGISTRY}
    traces: dict[str, int] = {}
    with acting_as(None):
        for statement in [*statements, *_references(person)]:
            rows[statement.table.description] |= await _changed(session, statement)
        if not was_erased:
            rows["users"] |= await _changed(session, _emptied(person))
            traces = json.loads(await session.scalar(_TRACES))
    counts = {table: len(keys) for table, keys in rows.items()} | traces
    if not dry_run:
        _expire(session, person, counts)
        await _forget_answers(session)
    found = {table: count for table, count in counts.items() if count}
    return ErasureReport(person.id, MappingProxyType(found), dry_run, was_erased)


def _erased_documents(person: Person) -> list[Delete | Update]:
    """Return what deletes the documents and collections of a person.

    A collection of somebody else that is inside one of them moves to the top.
    """
    owned = select(Collection.id).where(
        Collection.org_id == person.org_id, Collection.owner_id == person.id
    )
    inside = (Collection.org_id == person.org_id, Collection.parent_id.in_(owned))
    return [
        *(delete(model).where(*_about(person, model)) for model in _ATTACHED),
        update(Collection).where(*inside, Collection.owner_id != person.id).values(parent_id=None),
        delete(Collection).where(
            Collection.org_id == person.org_id, Collection.owner_id == person.id
        ),
    ]


def _about(person: Person, model: Any) -> tuple[Any, ...]:
    rows = REGISTRY[model.__tablename__].rows
    if rows is None or model is DocumentPermission:  # all of them, whoever it is permitted to
        rows = of_documents
    return model.org_id == person.org_id, rows(model.__table__, person.id)


def _reassigned_documents(person: Person, successor: uuid.UUID) -> list[Delete | Update]:
    """Return what hands documents and collections over."""
    return [
        update(model)
        .where(model.org_id == person.org_id, model.owner_id == person.id)
        .values(owner_id=successor)
        for model in (Document, Collection)
    ]


def _references(person: Person) -> list[Delete | Update]:
    """Return what removes the person from rows that are not theirs, and what was let to them."""
    asked = (
        PersonalDataRequest.org_id == person.org_id,
        PersonalDataRequest.user_id == person.id,
    )
    return [
        *(
            update(column.class_)
            .where(column.class_.org_id == person.org_id, column == person.id)
            .values({column.key: None})
            for column in (
                Document.changed_by_id,
                DocumentVersion.created_by_id,
                DocumentPermission.granted_by_id,
            )
        ),
        *(
            delete(model).where(model.org_id == person.org_id, model.user_id == person.id)
            for model in (DocumentPermission, UserRole)
        ),
        update(PersonalDataRequest)
        .where(*asked, PersonalDataRequest.kind == RequestKind.ERASURE)
        .where(PersonalDataRequest.status == RequestStatus.RECEIVED)
        .values(status=RequestStatus.COMPLETED, completed_at=func.now()),
        update(PersonalDataRequest)
        .where(*asked, PersonalDataRequest.note.is_not(None))
        .values(note=None),
    ]


def _emptied(person: Person) -> Update:
    """Return what leaves of a user only that there was one."""
    nobody = f"erased-{uuid.uuid4().hex}"
    return (
        update(User)
        .where(User.org_id == person.org_id, User.id == person.id)
        .values(
            username=nobody,
            email=f"{nobody}@erased.invalid",
            hashed_password=None,
            is_active=False,
            is_admin=False,
            is_email_verified=False,
            erased_at=func.now(),
        )
    )


async def _changed(session: AsyncSession, statement: Delete | Update) -> set[uuid.UUID]:
    """Return the keys of the rows that a statement changed."""
    options = {"synchronize_session": False}
    keys = statement.returning(statement.table.c.id)
    return set(await session.scalars(keys, execution_options=options))


def _expire(session: AsyncSession, person: Person, counts: Mapping[str, int]) -> None:
    """Let instances be read anew that may have changed; others stay usable."""
    for instance in session:
        table = inspect(instance).mapper.local_table.name
        if counts.get(table) and (not isinstance(instance, User) or instance.id == person.id):
            session.expire(instance)


async def _forget_answers(session: AsyncSession) -> None:
    """Forget what is kept of the organisation; what an operator's session has, of all."""
    cache = CacheManager.of(session)
    if cache is not None:
        scope = isolated(session).scope
        await cache.clear(None if scope.org_id is None else session)
