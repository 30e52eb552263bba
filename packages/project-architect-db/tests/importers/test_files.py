"""Files become rows, all of them or none, on both databases."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from andamios_orm.exceptions import ConfigurationError, DiskFull, MoreThanOne, NotFound
from andamios_orm.testing.faults import Faults
from project_architect_db.importers import (
    EncodingRefused,
    FilesReport,
    NamesRefused,
    RowsRefused,
    import_files,
    opening,
)
from project_architect_db.importers.files import _MOST_ERRORS
from project_architect_db.models import (
    Build,
    Conversation,
    ConversationMessage,
    Deployment,
    Document,
    Project,
    Repository,
)
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from pathlib import Path

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]

IDEA = "A scaffold for the data of a team"


def ndjson(*rows: Any) -> io.BytesIO:
    return io.BytesIO("\n".join(map(json.dumps, rows)).encode())


def csv(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


async def rows_of(database: Database, model: type[Any]) -> list[Any]:
    async with database.session() as session:
        return list((await session.scalars(select(model).order_by(model.id))).all())


async def count(database: Database, model: type[Any]) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def make_project(database: Database, name: str = "Shop", **values: Any) -> int:
    repository = ProjectRepository(database)
    return (await repository.create({"name": name, "project_idea": IDEA, **values})).id


# ---- what becomes of rows ----------------------------------------------------------------


async def test_projects_come_from_a_file(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "projects.csv"
    path.write_text(
        "Title,project_idea,status,architecture,created_at,is_sample,completed_at,Notes\n"
        f'Shop,{IDEA},active,"{{""framework"": ""FastAPI""}}",2020-01-01,true,,x\n'
        f"Desk,{IDEA},completed,,,,2026-01-02T03:04:05Z,\n",
        encoding="utf-8-sig",
    )
    told: list[tuple[int, float | None]] = []

    report = await import_files(
        database,
        path,
        "project",
        mapping={"Title": "name", "Notes": None},
        on_progress=lambda each: told.append((each.rows, each.share)),
    )

    assert (report.source, report.entity, report.format) == (str(path), "project", "csv")
    assert (report.rows, report.created, report.is_dry_run) == (2, 2, False)
    assert report.left_out == {
        "Notes": "mapping= leaves it out",
        "created_at": "it is set when the row is written",
    }
    assert told == [(2, 1.0)]
    shop, desk = await rows_of(database, Project)
    assert (shop.name, shop.status, shop.framework, shop.is_sample) == (
        "Shop",
        "active",
        "FastAPI",
        True,
    )
    assert (desk.architecture, desk.is_sample) == (None, False)
    assert desk.completed_at.isoformat() == "2026-01-02T03:04:05+00:00"


async def test_conversations_come_with_their_messages(database: Database) -> None:
    await make_project(database)
    other = await make_project(database, "Desk")
    talks = [
        {
            "project": "Shop",
            "title": "Start",
            "phase": "design",
            "messages": [
                {"role": "user", "content": " as it is \n", "time": "2026-01-01T12:00:00Z"},
                {"role": "assistant", "content": "two words", "tokens": 3},
            ],
        },
        {"project_id": other, "messages": json.dumps([{"role": "user", "content": "x"}])},
        {"project_id": str(other)},
    ]

    report = await import_files(database, ndjson(*talks), "conversation", format="ndjson")

    assert (report.created, report.messages) == (3, 3)
    first, second, third = await rows_of(database, Conversation)
    assert (first.title, first.phase, first.message_count, first.word_count) == (
        "Start",
        "design",
        2,
        5,
    )
    assert (first.token_count, second.message_count, third.message_count) == (3, 1, 0)
    assert {second.project_id, third.project_id} == {other}
    messages = await rows_of(database, ConversationMessage)
    assert [each.content for each in messages] == [" as it is \n", "two words", "x"]


@pytest.mark.slow
async def test_documents_belong_to_the_project_that_is_passed(database: Database) -> None:
    shop = await make_project(database)
    await make_project(database, "Desk")
    content = (
        "name,content,doc_type,file_path,revision,project\n"
        "a.md,' x ',readme,docs/a.md,abc,\n"
        "b.md,,,,,Desk\n"
    )

    await import_files(database, csv(content), "document", format="csv", project="Shop")
    await import_files(database, csv("name\nc.md\n"), "document", format="csv", project=shop)

    first, second, third = await rows_of(database, Document)
    assert (first.content, first.doc_type, first.file_path) == ("' x '", "readme", "docs/a.md")
    assert (first.revision, first.word_count, first.project_id) == ("abc", 3, shop)
    assert (second.content, second.doc_type, second.project_id) == ("", "other", shop + 1)
    assert third.project_id == shop


async def test_builds_and_deployments_belong_to_repositories(database: Database) -> None:
    await make_project(database)
    await make_project(database, "Desk")
    page = "https://github.com/ana/shop"
    repositories: list[dict[str, Any]] = [
        {"name": "api", "project": "Shop", "github_url": page, "stars": 3, "metadata": {"a": 1}},
        {"name": "web", "project": "Shop", "remotes": {"origin": "u"}},
        {"name": "web", "project": 0, "repo_type": "frontend"},
    ]
    repositories[2]["project"] = (await rows_of(database, Project))[1].id
    await import_files(database, ndjson(*repositories), "repository", format="ndjson")
    api, web, other = await rows_of(database, Repository)
    run = {"status": "succeeded", "started_at": "2026-01-01T12:00:00Z"}
    builds = [
        {**run, "repository": "api"},
        {**run, "repository": page, "branch": "main"},
        {**run, "repository_id": web.id},
        {**run, "repository": "web", "project": "Desk"},
    ]

    report = await import_files(database, ndjson(*builds), "build", format="ndjson")
    await import_files(
        database,
        csv("repository,status,started_at,release\nweb,failed,2026-01-01T12:00:00+02:00,v1\n"),
        "deployment",
        format="csv",
        project="Shop",
    )

    assert report.created == 4
    assert (api.stars, api.repo_metadata, web.remotes) == (3, {"a": 1}, {"origin": "u"})
    assert [each.repository_id for each in await rows_of(database, Build)] == [
        api.id,
        api.id,
        web.id,
        other.id,
    ]
    (deployment,) = await rows_of(database, Deployment)
    assert (deployment.repository_id, deployment.release, deployment.environment) == (
        web.id,
        "v1",
        "production",
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "arrow"])
async def test_columns_become_rows(duckdb_file: Database, tmp_path: Path, form: str) -> None:
    pa = pytest.importorskip("pyarrow")
    feather: Any = pytest.importorskip("pyarrow.feather")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    await make_project(duckdb_file)
    talk = [[{"role": "user", "content": "hello", "time": None, "tokens": 2}], None]
    table = pa.table({"title": ["a", None], "project": ["Shop", "Shop"], "messages": talk})
    path = tmp_path / f"talks.{form}"
    (parquet.write_table if form == "parquet" else feather.write_feather)(table, path)

    report = await import_files(duckdb_file, path, "conversation")

    assert (report.created, report.messages, report.share) == (2, 1, 1.0)
    assert [each.token_count for each in await rows_of(duckdb_file, Conversation)] == [2, 0]


# ---- what is wrong with them -------------------------------------------------------------


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_AT_ONCE", 3)
    good = {"name": "good", "project_idea": IDEA}
    rows = [
        good,
        {"name": "x", "project_idea": "short", "status": "actve"},
        {"nmae": "x", "project_idea": IDEA},
        {"name": "x", "project_idea": IDEA, "architecture": "{"},
        {"name": "x", "project_idea": IDEA, "completed_at": "2026-01-01"},
        good,
        [],
        {"name": "x"},
    ]

    with pytest.raises(RowsRefused) as refused:
        await import_files(database, ndjson(*rows), "project", format="ndjson")

    said = [(each.row, each.line, each.field) for each in refused.value.errors]
    assert sorted(said) == [
        (2, 2, "project_idea"),
        (2, 2, "status"),
        (3, 3, "nmae"),
        (4, 4, "architecture"),
        (5, 5, "completed_at"),
        (7, 7, ""),
        (8, 8, "project_idea"),
    ]
    assert refused.value.count == 7
    assert "7 values are refused, nothing was stored: row 2 (line 2)" in str(refused.value)
    assert "row 7 (line 7): a row is an object, not a list" in str(refused.value)
    assert await count(database, Project) == 0


async def test_only_so_many_errors_are_kept_and_the_others_are_counted(
    duckdb_file: Database,
) -> None:
    rows = [{"name": "x"}] * (_MOST_ERRORS + 5)

    with pytest.raises(RowsRefused, match="; and 95 more") as refused:
        await import_files(duckdb_file, ndjson(*rows), "project", format="ndjson")

    assert (len(refused.value.errors), refused.value.count) == (_MOST_ERRORS, _MOST_ERRORS + 5)


@pytest.mark.slow
async def test_what_every_row_lacks_is_said_once(
    duckdb_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_AT_ONCE", 1)
    project = await make_project(duckdb_file)
    await import_files(
        duckdb_file, ndjson({"name": "api"}), "repository", format="ndjson", project=project
    )

    with pytest.raises(RowsRefused, match="1 value is refused") as refused:
        await import_files(duckdb_file, csv("repository\napi\napi\n"), "build", format="csv")

    assert str(refused.value.errors[0]) == "every row, status: the column must have a value"


@pytest.mark.sampled(16)
@pytest.mark.parametrize(
    ("entity", "row", "said"),
    [
        ("document", {"name": "a"}, "project: it belongs to no project: say its name"),
        ("document", {"name": "a", "project": "Shp"}, "project: project 'Shp' does not exist"),
        ("document", {"name": "a", "project": 99}, "project: project 99 does not exist"),
        ("document", {"name": "a", "project": "99"}, "'99' does not exist: it is neither the id"),
        ("document", {"name": "a", "project_id": 99}, "project_id: project 99 does not exist"),
        ("document", {"name": "a", "project_id": "x"}, "project_id: 'x' is no id of a project"),
        ("document", {"name": "a", "project_id": True}, "project_id: True is no id of a project"),
        ("document", {"name": "a", "project": "Gone"}, "project: project 'Gone' does not exist"),
        ("document", {"name": "a", "project": "Twin"}, "is not the only one of that name: say"),
        ("document", {"name": "a", "project": ["x"]}, "project: project ['x'] does not exist"),
        ("document", {"name": "a", "project": "Shop", "file_path": "../x"}, "file_path: "),
        ("conversation", {"project": "Shop", "phase": "desing"}, "did you mean 'design'?"),
        (
            "conversation",
            {"project": "Shop", "messages": [{"role": "user"}]},
            "messages.0.content: Field required",
        ),
        ("build", {"status": "failed"}, "repository: it belongs to no repository"),
        ("build", {"status": "failed", "repository": "x"}, "repository 'x' does not exist"),
        ("build", {"status": "failed", "repository_id": 99}, "repository 99 does not exist"),
        ("build", {"status": "failed", "repository_id": "x"}, "repository 'x' does not exist"),
        ("build", {"status": "failed", "repository_id": "99"}, "repository 99 does not exist"),
        ("build", {"status": "failed", "repository": "99"}, "neither the id nor the name of one"),
        ("build", {"status": "failed", "repository": ["x"]}, "repository ['x'] does not exist"),
        (
            "build",
            {"status": "failed", "repository": "x", "project": "y"},
            "project: project 'y' does not exist",
        ),
    ],
)
async def test_a_row_that_belongs_to_nothing_is_named(
    database: Database, entity: str, row: dict[str, Any], said: str
) -> None:
    await make_project(database)
    await make_project(database, "Twin")
    await make_project(database, "Twin")
    await ProjectRepository(database).delete(await make_project(database, "Gone"))

    with pytest.raises(RowsRefused) as refused:
        await import_files(database, ndjson(row), entity, format="ndjson")

    assert said in str(refused.value)
    assert str(refused.value.errors[0]).startswith("row 1 (line 1), ")


@pytest.mark.slow
async def test_choices_that_make_no_sense_are_refused(duckdb_file: Database) -> None:
    rows = ndjson({"name": "a"})
    await make_project(duckdb_file, "Twin")
    await make_project(duckdb_file, "Twin")

    with pytest.raises(ConfigurationError, match="not for projects"):
        await import_files(duckdb_file, rows, "project", format="ndjson", project=1)
    with pytest.raises(NotFound, match="Project 'Nope' does not exist"):
        await import_files(duckdb_file, rows, "document", format="ndjson", project="Nope")
    with pytest.raises(NotFound, match="Project 99 does not exist"):
        await import_files(duckdb_file, rows, "document", format="ndjson", project=99)
    with pytest.raises(MoreThanOne, match="pass its id"):
        await import_files(duckdb_file, rows, "document", format="ndjson", project="Twin")
    async with duckdb_file.session() as session:
        with pytest.raises(ConfigurationError, match="pass the database"):
            await import_files(session, rows, "project", format="ndjson", atomic=False)


async def test_a_mapping_that_fits_no_row_stores_nothing(database: Database) -> None:
    rows = ndjson({"name": "a", "project_idea": IDEA})

    with pytest.raises(NamesRefused, match="no column 'Title'"):
        await import_files(database, rows, "project", format="ndjson", mapping={"Title": "owner"})

    assert await count(database, Project) == 0


async def test_an_odd_byte_late_in_a_file_stores_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_BYTES", 1_000)
    lines = f"name,project_idea\n{'Shop,' + IDEA}\n".encode() + f"Desk,{IDEA}\n".encode() * 2_000

    with pytest.raises(EncodingRefused) as refused:
        await import_files(database, io.BytesIO(lines + b"Caf\xe9,x\n"), "project", format="csv")

    assert refused.value.offset == len(lines) + 3
    assert await count(database, Project) == 0
    report = await import_files(
        database,
        io.BytesIO(f"name,project_idea\nCafé,{IDEA}\n".encode("latin-1")),
        "project",
        format="csv",
        encoding="latin-1",
    )
    assert report.created == 1


# ---- how they are stored -----------------------------------------------------------------


async def test_a_dry_run_says_what_would_be_created(database: Database) -> None:
    await make_project(database)
    rows = [{"project": "Shop", "messages": [{"role": "user", "content": "x"}]}] * 3

    report = await import_files(
        database, ndjson(*rows), "conversation", format="ndjson", dry_run=True
    )

    assert (report.is_dry_run, report.created, report.messages) == (True, 3, 3)
    assert await count(database, Conversation) == 0


async def test_a_file_without_rows_creates_nothing(duckdb_file: Database) -> None:
    report = await import_files(
        duckdb_file, ndjson(), "project", format="ndjson", mapping={"Title": "name"}
    )

    assert (report.rows, report.created) == (0, 0)


async def test_a_session_of_the_caller_is_theirs_to_commit(database: Database) -> None:
    rows = ndjson({"name": "a", "project_idea": IDEA})

    async with database.session() as session:
        await import_files(session, rows, "project", format="ndjson")
        await session.rollback()

    assert await count(database, Project) == 0


async def test_without_atomic_what_came_before_an_error_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_AT_ONCE", 2)
    good, bad = {"name": "a", "project_idea": IDEA}, {"name": "a"}

    with pytest.raises(RowsRefused, match="the first 2 rows are stored: row 4") as refused:
        await import_files(
            database, ndjson(good, good, good, bad, good), "project", format="ndjson", atomic=False
        )
    report = await import_files(
        database, ndjson(good, good, good), "project", format="ndjson", atomic=False
    )

    assert (refused.value.count, report.created) == (1, 3)
    assert await count(database, Project) == 5


async def test_a_viewer_adds_to_what_they_see(database: Database) -> None:
    await make_project(database, owner="ben")
    rows = ndjson({"name": "Desk", "project_idea": IDEA})
    foreign = ndjson({"name": "Desk", "project_idea": IDEA, "owner": "ben"})
    document = {"name": "a", "project": "Shop"}

    await import_files(database, rows, "project", format="ndjson", viewer="ana")
    with pytest.raises(RowsRefused, match="owner: 'ana', who imports"):
        await import_files(database, foreign, "project", format="ndjson", viewer="ana")
    with pytest.raises(RowsRefused, match="project 'Shop' does not exist"):
        await import_files(database, ndjson(document), "document", format="ndjson", viewer="ana")
    with pytest.raises(NotFound):
        await import_files(
            database, ndjson({"name": "a"}), "document", format="ndjson", project=1, viewer="eve"
        )
    document["project"] = "Desk"
    await import_files(database, ndjson(document), "document", format="ndjson", viewer="ana")

    assert [each.owner for each in await rows_of(database, Project)] == ["ben", "ana"]
    assert await count(database, Document) == 1


@pytest.mark.slow
async def test_names_are_looked_up_once(
    duckdb_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_AT_ONCE", 2)
    monkeypatch.setattr("project_architect_db.importers.references._MOST_KNOWN", 2)
    keys = [await make_project(duckdb_file, f"P{number}") for number in range(4)]
    rows = [{"name": "a", "project": f"P{number % 4}"} for number in range(9)]

    report = await import_files(duckdb_file, ndjson(*rows), "document", format="ndjson")

    assert report.created == 9
    found = [each.project_id for each in await rows_of(duckdb_file, Document)]
    assert found == [keys[number % 4] for number in range(9)]


@pytest.mark.slow
async def test_a_full_disk_leaves_nothing_and_the_next_import_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_AT_ONCE", 10)
    rows = [{"name": f"P{number}", "project_idea": IDEA} for number in range(40)]

    with pytest.raises(DiskFull), Faults().disk_full(database, commit=True):
        await import_files(database, ndjson(*rows), "project", format="ndjson")

    assert await count(database, Project) == 0
    assert (await import_files(database, ndjson(*rows), "project", format="ndjson")).created == 40


PIPED = """
import asyncio, sys
from andamios_orm import Database
from project_architect_db.importers import import_files
from project_architect_db.models import Base

async def main():
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        report = await import_files(database, sys.stdin.buffer, "project", format=sys.argv[1])
        print(report.source, report.created, report.share)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_rows_come_through_standard_input(form: str) -> None:
    rows = [{"name": f"P{number}", "project_idea": IDEA} for number in range(3)]
    given = ndjson(*rows).getvalue()
    if form == "parquet":
        pa = pytest.importorskip("pyarrow")
        parquet: Any = pytest.importorskip("pyarrow.parquet")
        file = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(rows), file)
        given = file.getvalue()

    said = subprocess.run(
        [sys.executable, "-c", PIPED, form],
        input=given,
        check=True,
        capture_output=True,
    ).stdout

    assert said.split() == [b"<stdin>", b"3", b"None" if form == "ndjson" else b"1.0"]


def test_a_report_is_of_one_file() -> None:
    report = FilesReport("a.csv", "project", "csv")

    assert (report.rows, report.created, report.share, report.left_out) == (0, 0, None, {})
