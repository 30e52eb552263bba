"""New rows, and changes of rows."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select, update
from tests.repositories.models import (
    Book,
    Counter,
    Country,
    Cover,
    Document,
    Membership,
    Project,
    Token,
)

from andamios_orm.exceptions import (
    DuplicateKey,
    MoreThanOne,
    NotFound,
    StaleVersion,
    UnknownField,
    ValueRefused,
    WriteConflict,
)
from andamios_orm.models import acting_as
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from tests.repositories.conftest import Statements

    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class ProjectCreate(BaseModel):
    """What a caller may say of a new project."""

    name: str
    status: str = "active"
    stars: int | None = None
    budget: Decimal | None = None


class ProjectUpdate(BaseModel):
    """What a caller may change."""

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    status: str | None = None
    version: int | None = None


class Projects(BaseRepository[Project]):
    """Projects in one session."""

    model = Project


@pytest.fixture
def projects(session: Session) -> Projects:
    return Projects(session)


# ---- create --------------------------------------------------------------------------


async def test_create_takes_a_dict_and_is_one_statement(
    projects: Projects, statements: Statements
) -> None:
    with statements.counted(1), acting_as("ana"):
        project = await projects.create({"name": "a", "architecture": {"framework": "x"}})
        shown = (project.id, project.version, project.status, project.created_by)

    assert shown == (1, 1, "draft", "ana")
    assert project.created_at == project.updated_at
    assert project.architecture == {"framework": "x"}


async def test_create_takes_a_schema_with_its_defaults(projects: Projects) -> None:
    project = await projects.create(ProjectCreate(name="a"))

    assert (project.status, project.stars) == ("active", 0)


async def test_create_takes_an_instance_with_its_children(projects: Projects) -> None:
    given = Project(name="a", documents=[Document(title="one")])

    project = await projects.create(given)

    assert project is given
    assert given.documents[0].project_id == given.id


async def test_add_is_create(projects: Projects) -> None:
    project = await projects.add({"name": "a"})

    assert project.id == 1


async def test_add_many_is_one_statement_in_order(
    projects: Projects, statements: Statements
) -> None:
    with statements.counted(1):
        added = await projects.add_many([{"name": "a"}, {"name": "b"}, Project(name="c")])

    assert [project.name for project in added] == ["a", "b", "c"]
    assert [project.id for project in added] == [1, 2, 3]


async def test_add_many_of_nothing_sends_nothing(
    projects: Projects, statements: Statements
) -> None:
    with statements.counted(0):
        assert await projects.add_many([]) == []


async def test_an_unknown_field_names_the_ones_there_are(
    projects: Projects, statements: Statements
) -> None:
    with statements.counted(0), pytest.raises(UnknownField) as caught:
        await projects.create({"name": "a", "titel": "b"})

    assert "Project has no field 'titel'" in str(caught.value)
    assert "name" in caught.value.known
    assert "id" not in caught.value.known


@pytest.mark.parametrize(
    "column",
    ["id", "version", "created_at", "updated_at", "created_by", "updated_by", "deleted_at"],
)
async def test_what_is_set_by_itself_is_not_written_by_hand(
    projects: Projects, statements: Statements, column: str
) -> None:
    with statements.counted(0), pytest.raises(ValueRefused) as caught:
        await projects.create({"name": "a", column: 7})

    assert caught.value.column == column


async def test_a_natural_key_is_given_at_create_and_never_changed(session: Session) -> None:
    countries = BaseRepository(session, Country)
    country = await countries.create({"code": "es", "name": "España"})

    with pytest.raises(ValueRefused, match="a key does not change"):
        await countries.update("es", {"code": "pt"})

    assert country.code == "es"


async def test_a_natural_key_cannot_be_left_out(session: Session, statements: Statements) -> None:
    with statements.counted(0), pytest.raises(ValueRefused) as caught:
        await BaseRepository(session, Country).create({"name": "España"})

    assert caught.value.column == "code"


async def test_a_relation_in_a_dict_is_refused_with_a_hint(projects: Projects) -> None:
    with pytest.raises(ValueRefused, match=r"Project\.documents is a relation: create the related"):
        await projects.create({"name": "a", "documents": [{"title": "b"}]})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", None),
        ("name", 7),
        ("name", "x" * 41),
        ("name", "nul\0"),
        ("stars", 2**63),
        ("stars", "7"),
        ("stars", True),
        ("budget", Decimal("1.001")),
        ("budget", Decimal("123456789.00")),
        ("budget", Decimal("Infinity")),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_with_its_column(
    projects: Projects, statements: Statements, column: str, value: object
) -> None:
    with statements.counted(0), pytest.raises(ValueRefused) as caught:
        await projects.create({"name": "a", column: value})

    assert (caught.value.column, caught.value.value) == (column, value)


async def test_a_secret_value_is_not_shown(projects: Projects) -> None:
    with pytest.raises(ValueRefused) as caught:
        await projects.create({"name": "a", "secret": "hush\0"})

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("values", [None, 7, "name", [("name", "a")], {7: "a"}])
async def test_what_is_no_row_is_refused(projects: Projects, values: Any) -> None:
    with pytest.raises(ValueRefused):
        await projects.create(values)


async def test_a_duplicate_is_typed(session: Session) -> None:
    countries = BaseRepository(session, Country)
    await countries.create({"code": "es", "name": "España"})

    with pytest.raises(DuplicateKey) as caught:
        await countries.create({"code": "es", "name": "Otra"})

    assert caught.value.columns in {("code",), ()}  # DuckDB does not tell in one transaction


# ---- update --------------------------------------------------------------------------


async def test_update_is_two_statements_and_counts_the_version(
    projects: Projects, statements: Statements
) -> None:
    project = await projects.create({"name": "a"})
    before = project.updated_at

    with statements.counted(2), acting_as("eva"):
        changed = await projects.update(project.id, {"status": "active"})

    assert changed is project
    assert (project.status, project.version, project.updated_by) == ("active", 2, "eva")
    assert project.updated_at > before


async def test_update_of_a_schema_takes_what_was_set(projects: Projects) -> None:
    project = await projects.create({"name": "a", "status": "active"})

    await projects.update(project.id, ProjectUpdate(name="b"))

    assert (project.name, project.status) == ("b", "active")


async def test_update_without_a_change_writes_nothing(
    projects: Projects, statements: Statements
) -> None:
    project = await projects.create({"name": "a"})

    with statements.counted(1):
        await projects.update(project.id, {"name": "a"})

    assert project.version == 1


async def test_update_of_no_row_says_so(projects: Projects) -> None:
    with pytest.raises(NotFound, match="Project 7 does not exist"):
        await projects.update(7, {"name": "b"})


async def test_update_leaves_relations_as_they_are(
    projects: Projects, statements: Statements
) -> None:
    project = await projects.create(Project(name="a", documents=[Document(title="one")]))
    loaded = await projects.get(project.id, load=[Project.documents])

    with statements.counted(2):
        await projects.update(project.id, {"name": "b"})

    assert [document.title for document in loaded.documents] == ["one"]


@pytest.mark.parametrize("version_in", ["argument", "values", "schema", "both"])
@pytest.mark.sampled(3)
async def test_another_version_is_stale_and_says_both(database: Database, version_in: str) -> None:
    project = await BaseRepository(database, Project).create({"name": "a"})
    projects = BaseRepository(database, Project)
    await projects.update(project.id, {"name": "b"}, version=1)
    values: Any = {"name": "c"}
    if version_in in {"values", "both"}:
        values = {"name": "c", "version": 1}
    if version_in == "schema":
        values = ProjectUpdate(name="c", version=1)

    with pytest.raises(StaleVersion) as caught:
        await projects.update(
            project.id, values, version=1 if version_in in {"argument", "both"} else None
        )

    assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert "Project 1 has version 2, not 1" in str(caught.value)
    assert (await projects.get(project.id)).name == "b"


async def test_a_version_that_the_caller_names_is_compared_once(
    database: Database, statements: Statements
) -> None:
    projects = BaseRepository(database, Project)
    project = await projects.create({"name": "a"})
    await projects.update(project.id, {"name": "b"}, version=1)

    with statements.counted(1), pytest.raises(StaleVersion):
        await projects.update(project.id, {"name": "c"}, version=1)


async def test_two_different_versions_are_refused(projects: Projects) -> None:
    with pytest.raises(ValueRefused, match="version=1 was said as well"):
        await projects.update(1, {"version": 2}, version=1)


@pytest.mark.parametrize("version", ["1", True, 1.5])
async def test_a_version_is_a_whole_number(projects: Projects, version: Any) -> None:
    with pytest.raises(ValueRefused, match="a version is a whole number"):
        await projects.update(1, {}, version=version)


async def test_a_version_of_a_model_without_one_is_refused(session: Session) -> None:
    with pytest.raises(ValueRefused, match="has no version to compare"):
        await BaseRepository(session, Token).update(uuid.uuid4(), {}, version=1)


async def test_update_sees_what_others_committed_since_the_row_was_read(
    database: Database,
) -> None:
    async with database.session() as session:
        projects = BaseRepository(session, Project)
        project = await projects.create({"name": "a"})
        await session.commit()
        await BaseRepository(database, Project).update(project.id, {"status": "active"})

        await projects.update(project.id, {"name": "b"})
        await session.commit()

        assert (project.status, project.name, project.version) == ("active", "b", 3)


async def test_an_expression_is_computed_by_the_database(session: Session) -> None:
    counters = BaseRepository(session, Counter)
    counter = await counters.create({"value": 5})

    await counters.update(counter.id, {"value": Counter.value + 1})

    assert counter.value == 6


async def test_update_many_is_one_query_and_the_changes(
    projects: Projects, statements: Statements
) -> None:
    added = await projects.add_many([{"name": "a"}, {"name": "b"}])

    with statements.counted(3):
        changed = await projects.update_many(
            [{"id": added[1].id, "name": "d", "version": 1}, {"id": added[0].id, "name": "c"}]
        )

    assert [project.name for project in changed] == ["d", "c"]


async def test_update_many_names_the_missing_row(projects: Projects) -> None:
    with pytest.raises(NotFound, match="Project 9 does not exist"):
        await projects.update_many([{"id": 9, "name": "d"}])


async def test_update_many_of_a_stale_row_changes_nothing(projects: Projects) -> None:
    added = await projects.add_many([{"name": "a"}, {"name": "b"}])

    with pytest.raises(StaleVersion):
        await projects.update_many(
            [{"id": added[0].id, "name": "c"}, {"id": added[1].id, "name": "d", "version": 3}]
        )

    assert [project.name for project in await projects.list()] == ["a", "b"]


async def test_update_many_without_a_key_is_refused(projects: Projects) -> None:
    with pytest.raises(ValueRefused, match="the key of Project lacks"):
        await projects.update_many([{"name": "d"}])


async def test_get_and_update_finds_by_fields(projects: Projects) -> None:
    await projects.add_many([{"name": "a"}, {"name": "b"}])

    changed = await projects.get_and_update({"stars": 5}, name="b", version=1)

    assert (changed.name, changed.stars) == ("b", 5)
    with pytest.raises(NotFound, match="Project with name='c'"):
        await projects.get_and_update({"stars": 5}, name="c")
    with pytest.raises(MoreThanOne):
        await projects.get_and_update({"stars": 5}, status="draft")


# ---- rows that may be there ----------------------------------------------------------


async def test_get_or_create_makes_a_row_once(projects: Projects, statements: Statements) -> None:
    with statements.counted(2):
        first, made = await projects.get_or_create({"stars": 3}, name="a")
    with statements.counted(1):
        second, again = await projects.get_or_create({"stars": 4}, name="a")

    assert (made, again) == (True, False)
    assert second is first
    assert first.stars == 3


async def test_get_or_create_matches_null(projects: Projects) -> None:
    first, _ = await projects.get_or_create(name="a", budget=None)
    _, again = await projects.get_or_create(name="a", budget=None)

    assert first.budget is None
    assert not again


async def test_get_or_create_of_nothing_is_refused(projects: Projects) -> None:
    with pytest.raises(ValueRefused, match="say which row"):
        await projects.get_or_create({"name": "a"})


async def test_upsert_by_a_natural_key(session: Session, statements: Statements) -> None:
    countries = BaseRepository(session, Country)

    with statements.counted(2):
        await countries.upsert({"code": "es", "name": "Spain"})
    with statements.counted(2):
        country = await countries.upsert({"code": "es", "name": "España"})

    assert country.name == "España"
    assert await countries.count() == 1


async def test_upsert_by_match_fields(projects: Projects) -> None:
    first, made = await projects.get_or_upsert({"name": "a", "stars": 1}, match_fields=["name"])
    second, again = await projects.get_or_upsert({"name": "a", "stars": 2}, match_fields=["name"])

    assert (made, again) == (True, False)
    assert second is first
    assert (first.stars, first.version) == (2, 2)


async def test_upsert_by_a_generated_key_changes_or_says_there_is_none(projects: Projects) -> None:
    project = await projects.create({"name": "a"})

    await projects.upsert({"id": project.id, "name": "b", "version": 1})
    new = await projects.upsert({"name": "c"})

    assert project.name == "b"
    assert new.id != project.id
    with pytest.raises(NotFound):
        await projects.upsert({"id": 99, "name": "c"})
    with pytest.raises(StaleVersion):
        await projects.upsert({"id": project.id, "name": "b", "version": 1})


async def test_upsert_many_is_one_query_for_all(session: Session, statements: Statements) -> None:
    countries = BaseRepository(session, Country)
    await countries.create({"code": "es", "name": "Spain"})

    with statements.counted(3):
        rows = await countries.upsert_many(
            [
                {"code": "pt", "name": "Portugal"},
                {"code": "es", "name": "España"},
                {"code": "fr", "name": "Francia"},
                {"code": "fr", "name": "France"},
            ]
        )

    assert [row.name for row in rows] == ["Portugal", "España", "France", "France"]
    assert rows[2] is rows[3]


async def test_upsert_many_by_composite_key(session: Session) -> None:
    memberships = BaseRepository(session, Membership)
    await memberships.create({"team": 1, "person": "ana"})

    await memberships.upsert_many(
        [{"team": 1, "person": "ana", "role": "lead"}, {"team": 2, "person": "ana"}]
    )

    assert (await memberships.get((1, "ana"))).role == "lead"
    assert (await memberships.get({"person": "ana", "team": 2})).role == "member"


@pytest.mark.parametrize("names", ["name", [], ["nam"]])
async def test_match_fields_are_names_of_columns(projects: Projects, names: Any) -> None:
    with pytest.raises((ValueRefused, UnknownField)):
        await projects.upsert({"name": "a"}, match_fields=names)


async def test_rows_are_not_matched_by_null(projects: Projects) -> None:
    with pytest.raises(ValueRefused, match="rows are matched by it"):
        await projects.upsert({"name": "a", "budget": None}, match_fields=["budget"])


async def test_several_rows_to_upsert_are_too_many(projects: Projects) -> None:
    await projects.add_many([{"name": "a"}, {"name": "a"}])

    with pytest.raises(MoreThanOne, match="several Project a exist"):
        await projects.upsert({"name": "a"}, match_fields=["name"])


async def test_core_changes_are_seen_by_the_next_get(projects: Projects) -> None:
    project = await projects.create({"name": "a"})
    await projects.session.execute(
        update(Project).values(stars=9).execution_options(synchronize_session=False)
    )

    await projects.get(project.id)

    assert project.stars == 9
    assert (await projects.session.scalars(select(Project.stars))).one() == 9


async def test_another_unique_value_is_a_duplicate_and_no_conflict(database: Database) -> None:
    countries = BaseRepository(database, Country)
    await countries.create({"code": "es", "name": "España"})

    with pytest.raises(DuplicateKey):
        await countries.get_or_create({"name": "España"}, code="xx")


async def test_a_row_that_is_there_in_spite_of_the_query_is_a_conflict(database: Database) -> None:
    async with database.session() as session:
        countries = BaseRepository(session, Country)
        instance = Country(code="es", name="España")
        await BaseRepository(database, Country).create({"code": "es", "name": "España"})

        with pytest.raises((WriteConflict, DuplicateKey)):
            await countries._insert_unmatched([instance], ["code", "name"])


async def test_a_key_comes_from_a_related_instance(session: Session) -> None:
    cover = await BaseRepository(session, Cover).create(Cover(book=Book()))

    assert cover.book_id == cover.book.id


@pytest.mark.slow
async def test_numbers_that_fit_are_stored(projects: Projects) -> None:
    created = await projects.create({"name": "a", "budget": Decimal("99999999.99")})

    assert (await projects.get(created.id)).budget == Decimal("99999999.99")


async def test_numbers_without_a_scale_are_taken_as_they_are(session: Session) -> None:
    cover = await BaseRepository(session, Cover).create(
        Cover(book_id=(await BaseRepository(session, Book).create({})).id)
    )

    changed = await BaseRepository(session, Cover).update(cover.book_id, {"weight": Decimal("1.5")})

    assert changed.weight == Decimal("1.5")
