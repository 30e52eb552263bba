"""Hooks for rows, middleware for operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.repositories.models import Country, Project

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.repositories import (
    BaseRepository,
    CallNext,
    Event,
    GenericRepository,
    Operation,
    operation,
)

if TYPE_CHECKING:
    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Projects(BaseRepository[Project]):
    """Projects whose events are written down."""

    model = Project

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        self.seen: list[str] = []

    async def before_create(self, event: Event[Project]) -> None:
        """Trim the name."""
        event.instance.name = event.instance.name.strip()
        self.seen.append(event.name)

    def after_create(self, event: Event[Project]) -> None:
        """Note it."""
        self.seen.append(f"{event.name} {event.instance.id}")

    async def before_update(self, event: Event[Project]) -> None:
        """Add a star."""
        self.seen.append(f"{event.name} {sorted(event.values)}")
        event.values["stars"] = 9

    async def after_update(self, event: Event[Project]) -> None:
        """Note it."""
        self.seen.append(f"{event.name} {sorted(event.values)}")

    def before_delete(self, event: Event[Project]) -> None:
        """Note it."""
        self.seen.append(event.name)

    async def after_delete(self, event: Event[Project]) -> None:
        """Note it."""
        self.seen.append(f"{event.name} {event.instance.is_deleted}")

    @operation()
    async def count_active(self) -> int:
        """Return how many are active."""
        return await self.count(status="active")

    async def undeclared(self) -> None:
        """Use the session without being an operation."""
        await self.session.flush()


async def test_hooks_of_a_class_are_called_in_order(session: Session) -> None:
    projects = Projects(session)

    project = await projects.create({"name": " a "})
    await projects.update(project.id, {"status": "active"})
    await projects.delete(project.id)
    await projects.restore(project.id)

    assert (project.name, project.stars) == ("a", 9)
    assert projects.seen == [
        "before_create",
        "after_create 1",
        "before_update ['status']",
        "after_update ['stars', 'status']",
        "before_delete",
        "after_delete True",
        "before_update ['deleted_at']",
        "after_update ['deleted_at', 'stars']",
    ]


async def test_hooks_of_an_instance_come_after_those_of_its_class(session: Session) -> None:
    projects = Projects(session)
    seen: list[str] = []

    async def note(event: Event[Project]) -> None:
        assert event.session is session
        seen.append(f"{event.name} {event.instance.name}")

    projects.on("before_create", note).on("after_create", note, lambda _: seen.append("again"))
    await projects.create({"name": " a "})

    assert seen == ["before_create a", "after_create a", "again"]
    assert len(projects.seen) == 2


async def test_an_unknown_event_is_refused(session: Session) -> None:
    with pytest.raises(ConfigurationError, match=r"'after_drop' is no event .* before_create"):
        Projects(session).on("after_drop", lambda _: None)  # type: ignore[arg-type]  # the point


async def test_a_hook_that_raises_stops_the_operation(session: Session) -> None:
    def refuse(_event: Event[Any]) -> None:
        raise PermissionError

    countries = BaseRepository(session, Country).on("before_create", refuse)

    with pytest.raises(PermissionError):
        await countries.create({"code": "es", "name": "España"})

    assert await countries.count() == 0


async def test_upserts_and_many_tell_of_each_row(session: Session) -> None:
    seen: list[str] = []
    countries = BaseRepository(session, Country)
    for name in ("after_create", "after_update"):
        countries.on(name, lambda event: seen.append(f"{event.name} {event.instance.code}"))

    await countries.add_many([{"code": "es", "name": "a"}, {"code": "pt", "name": "b"}])
    await countries.upsert_many([{"code": "es", "name": "c"}, {"code": "fr", "name": "d"}])

    assert seen == [
        "after_create es",
        "after_create pt",
        "after_update es",
        "after_create fr",
    ]


async def test_hooks_on_a_database_run_in_the_transaction_of_the_row(database: Database) -> None:
    async def add_another(event: Event[Project]) -> None:
        event.session.add(Country(code="es", name=event.instance.name))

    projects = BaseRepository(database, Project).on("before_create", add_another)

    project = await projects.create({"name": "a"})

    assert project.id == 1
    assert await BaseRepository(database, Country).count() == 1


# ---- middleware ----------------------------------------------------------------------


async def test_middleware_goes_around_every_operation_in_order(session: Session) -> None:
    seen: list[str] = []

    def noting(mark: str) -> Any:
        async def middleware(operation: Operation, call_next: CallNext) -> Any:
            seen.append(f"{mark}> {operation.name} {operation.model.__name__}")
            result = await call_next(operation)
            seen.append(f"<{mark}")
            return result

        return middleware

    class Noted(Projects):
        middleware = (noting("class"),)

    projects = Noted(session).use(noting("one"), noting("two"))

    await projects.get_or_create(name="a")
    assert await projects.count_active() == 0

    assert seen == [
        "class> get_or_create Project",
        "one> get_or_create Project",
        "two> get_or_create Project",
        "<two",
        "<one",
        "<class",
        "class> count_active Project",
        "one> count_active Project",
        "two> count_active Project",
        "<two",
        "<one",
        "<class",
    ]


async def test_middleware_sees_and_changes_arguments_and_results(session: Session) -> None:
    async def at_most_one(operation: Operation, call_next: CallNext) -> Any:
        assert operation.writes == (operation.name == "add_many")
        if operation.name == "list":
            assert operation.arguments == {"limit": 50, "filters": {"status": "draft"}}
            rows = await call_next(operation.with_arguments(limit=1))
            return [row.name for row in rows]
        return await call_next(operation)

    projects = GenericRepository(session, Project).use(at_most_one)
    await projects.add_many([{"name": "a"}, {"name": "b"}])

    rows: Any = await projects.list(limit=50, status="draft")

    assert rows == ["a"]


async def test_middleware_may_refuse(session: Session) -> None:
    async def read_only(operation: Operation, call_next: CallNext) -> Any:
        if operation.writes:
            raise PermissionError(operation.name)
        return await call_next(operation)

    projects = GenericRepository(session, Project).use(read_only)

    assert await projects.count() == 0
    with pytest.raises(PermissionError, match="create"):
        await projects.create({"name": "a"})


async def test_middleware_sees_the_opening_of_a_stream(session: Session) -> None:
    seen: list[str] = []

    async def note(operation: Operation, call_next: CallNext) -> Any:
        seen.append(operation.name)
        return await call_next(operation)

    projects = GenericRepository(session, Project).use(note)

    assert [row async for row in projects.stream()] == []
    assert seen == ["stream"]


async def test_middleware_goes_around_the_transaction_of_a_database(database: Database) -> None:
    seen: list[str] = []

    async def note(operation: Operation, call_next: CallNext) -> Any:
        with pytest.raises(ConfigurationError):
            _ = operation.repository.session
        seen.append(operation.name)
        return await call_next(operation)

    projects = GenericRepository(database, Project).use(note)

    project = await projects.create({"name": "a"})
    await projects.update(project.id, {"name": "b"})

    assert seen == ["create", "update"]
    assert (await GenericRepository(database, Project).get(project.id)).name == "b"


async def test_a_copy_keeps_hooks_and_middleware_of_its_own(session: Session) -> None:
    projects = GenericRepository(session, Project)
    twin = projects.with_deleted()

    async def note(operation: Operation, call_next: CallNext) -> Any:
        return await call_next(operation)

    twin.use(note).on("after_create", lambda _: None)

    assert projects.active_middleware == ()
    assert len(twin.active_middleware) == 1
