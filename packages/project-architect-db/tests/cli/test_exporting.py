"""Rows go to files, or to what reads the standard output."""

from __future__ import annotations

import csv
import importlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(16)]

Call: TypeAlias = "Callable[..., Any]"
# They come without types.
ipc: Any = importlib.import_module("pyarrow.ipc")
parquet: Any = importlib.import_module("pyarrow.parquet")
FILL = """
from project_architect_db.models import ProjectMember
from project_architect_db.repositories import ProjectRepository
for name, status, owner in (
    ("Paint", "draft", "ben"), ("Shop", "active", "ana"), ("Shore", "active", "ben")
):
    values = {"name": name, "status": status, "owner": owner, "project_idea": "sells things"}
    project = await ProjectRepository(session).create(values)
    talk = Conversation(project_id=project.id, messages=[{"role": "user", "content": name}])
    session.add(talk)
session.add(ProjectMember(project_id=1, member="eva"))
await session.commit()
"""


@pytest.fixture
def filled(on: Call) -> Call:
    """Return what runs the command on a database with three projects."""
    assert on("shell", "-c", FILL).code == 0
    return on


def names(done: Any) -> list[str]:
    """Return the names of the projects that were written as CSV."""
    return [row["name"] for row in csv.DictReader(io.StringIO(done.out))]


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """Return that it is."""
        return True


def test_rows_are_counted_for_a_person_alone(filled: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    unseen = filled("export", "projects", "--verbose")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    seen = filled("export", "projects", "--verbose", "--limit", "2")

    assert (unseen.code, seen.code) == (0, 0)
    assert "count(" not in unseen.err
    assert "count(" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_rows_go_to_the_standard_output_and_words_elsewhere(filled: Call) -> None:
    done = filled("export", "projects", "--sort", "name")

    assert done.code == 0
    assert names(done) == ["Paint", "Shop", "Shore"]
    assert done.out.startswith("id,name,description,project_idea,architecture,status,owner,")
    assert done.err == "3 projects\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--status", "active"], ["Shop", "Shore"]),
        (["--where", "name__istartswith=sho", "--where", "owner=ben"], ["Shore"]),
        (["--where", "owner=ana", "--where", "owner=ben", "--limit", "2"], ["Paint", "Shop"]),
        (["--where", "id__in=1,3"], ["Paint", "Shore"]),
        (["--where", "created_at__ge=2999-01-01"], []),
        (["--viewer", "ben"], ["Paint", "Shore"]),
        (["--viewer", "eva"], ["Paint"]),
    ],
    ids=" ".join,
)
def test_only_what_was_asked_for_goes_out(
    filled: Call, arguments: list[str], expected: list[str]
) -> None:
    assert names(filled("export", "projects", "--sort", "id", *arguments)) == expected


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("out.csv", lambda path: list(csv.DictReader(path.read_text().splitlines()))),
        ("out.ndjson", lambda path: [json.loads(line) for line in path.read_text().splitlines()]),
        ("out.JSON", lambda path: json.loads(path.read_text())),
        ("out.parquet", lambda path: parquet.read_table(path).to_pylist()),
        ("out.arrow", lambda path: ipc.open_stream(path.read_bytes()).read_all().to_pylist()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_name_of_a_file_says_its_form(
    filled: Call, name: str, read: Callable[[Path], list[dict[str, Any]]]
) -> None:
    columns = ("--columns", "content,role", "--sort=-content")

    done = filled("export", "messages", "--output", name, *columns)

    assert (done.code, done.out, done.err) == (0, "", f"3 messages in {name}\n")
    assert read(Path(name))[0] == {"content": "Shore", "role": "user"}
    assert not list(Path().glob("*.part"))


@pytest.mark.parametrize("viewer", ["ben", "eva", "nobody"])
@pytest.mark.parametrize("entity", ["conversations", "messages", "documents", "repositories"])
def test_a_viewer_gets_what_belongs_to_projects_of_theirs(
    filled: Call, entity: str, viewer: str
) -> None:
    done = filled("export", entity, "--viewer", viewer, "--format", "ndjson")

    talks = {"ben": 2, "eva": 1, "nobody": 0}[viewer]
    expected = talks if entity in {"conversations", "messages"} else 0
    assert len(done.out.splitlines()) == expected


def test_messages_of_conversations_that_were_deleted_stay(filled: Call) -> None:
    deleted = "(await session.get(Conversation, 1)).deleted_at = sa.func.now(); "
    filled("shell", "-c", f"{deleted}await session.commit()")

    done = filled("export", "messages", "--format", "ndjson")

    assert [json.loads(line)["content"] for line in done.out.splitlines()] == ["Shop", "Shore"]
    assert done.err == "2 messages\n"


def test_a_file_that_is_there_is_kept_unless_told(filled: Call) -> None:
    Path("out.csv").write_text("mine")

    refused = filled("export", "repositories", "--output", "out.csv")
    kept = Path("out.csv").read_text()
    done = filled("export", "repositories", "--output", "out.csv", "--replace")

    assert (refused.code, kept) == (2, "mine")
    assert "out.csv is there already" in refused.err
    assert (done.code, done.err) == (0, "0 repositories in out.csv\n")
    assert Path("out.csv").read_text().startswith("id,project_id,name")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--where", "colour=red"], "projects are not asked by 'colour'; known are id, name, "),
        (["--where", "architecture=x"], "projects are not asked by 'architecture'; known are"),
        (["--where", "limit=3"], "projects are not asked by 'limit'"),
        (["--where", "name__near=x"], "name has no comparison 'near'; known are eq, ne"),
        (["--where", "name"], "--where takes FIELD=VALUE or FIELD__OP=VALUE, not name"),
        (["--status", "stuck"], "expected is ['draft', 'active', 'completed', 'archived']"),
        (["--sort", "colour"], "rows cannot be sorted by 'colour'; known are id"),
        (["--columns", "colour"], "Project has no field 'colour'; known are"),
        (["--format", "xml"], "is not one of 'csv', 'ndjson', 'json', 'parquet', 'arrow'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_refused_with_what_there_is(
    on: Call, arguments: list[str], said: str
) -> None:
    done = on("export", "projects", "--output", "out.csv", *arguments)

    assert done.code == 2
    assert said in done.said
    assert not Path("out.csv").exists()


def test_bytes_do_not_go_to_a_terminal(on: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    done = on("export", "projects", "--format", "parquet")

    assert done.code == 2
    assert "parquet is nothing to read on a terminal" in done.said


@pytest.mark.slow
def test_a_reader_who_has_had_enough_is_no_error(on: Call) -> None:
    fill = """
from project_architect_db.queries.builder import BulkOperations
rows = [{"name": "x" * 200, "project_idea": "y" * 2_000} for _ in range(2_000)]
await BulkOperations.bulk_insert_projects(session, rows)
await session.commit()
"""
    assert on("shell", "-c", fill).code == 0
    program = "from project_architect_command import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "export", "projects"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()

    assert (running.returncode, said) == (1, b"")
