"""Words are found, with what they stand in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(10)]

Call: TypeAlias = "Callable[..., Any]"
FILL = """
from project_architect_db.repositories import DocumentRepository, ProjectRepository
for name, owner in (("Shop", "ana"), ("Paint", "ben"), ("Paint", "ben")):
    values = {"name": name, "owner": owner, "project_idea": f"{name} is about things to sell"}
    project = await ProjectRepository(session).create(values)
    for kind in ("readme", "other"):
        text = f"We sell a scaffold, and more of {name}. Nobody sells one cheaper."
        await DocumentRepository(session).create(
            {"project_id": project.id, "name": f"{kind}.md", "doc_type": kind, "content": text}
        )
await session.commit()
"""


@pytest.fixture
def filled(on: Call) -> Call:
    """Return what runs the command on a database with three projects."""
    assert on("shell", "-c", FILL).code == 0
    return on


def hits(done: Any) -> list[dict[str, Any]]:
    """Return what was found, as a program reads it."""
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["hits"]
    return found


def test_a_person_reads_what_was_found_and_where(filled: Call) -> None:
    done = filled("search", "scaffold", "--project", "Shop", "--type", "readme")

    title, text = done.out.splitlines()
    assert title.startswith("readme.md  document, readme ")
    assert " · Shop · 20" in title
    assert "scaffold" in text
    assert done.err.startswith("1 hit")


def test_a_program_gets_all_of_it(filled: Call) -> None:
    done = filled("search", "scaffold", "--json", "--limit", "2")

    found = json.loads(done.out)
    assert (found["schema_version"], found["total"], len(found["hits"])) == (1, 6, 2)
    assert done.err == "2 of 6 hits\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--kind", "document"], 6),
        (["--kind", "project"], 0),
        (["--kind", "project", "--kind", "document"], 6),
        (["--project", "1"], 2),
        (["--since", "1d"], 6),
        (["--since", "2999-01-01"], 0),
        (["--until", "2000-01-01"], 0),
        (["--viewer", "ana"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_only_what_was_asked_for_is_found(filled: Call, arguments: list[str], count: int) -> None:
    assert len(hits(filled("search", "scaffold", "--json", *arguments))) == count


def test_a_project_is_not_named_once_more(filled: Call) -> None:
    done = filled("search", "Shop", "--kind", "project")

    assert done.out.startswith("Shop  project 1 · 20")


def test_nothing_is_said_with_what_may_be_meant(filled: Call) -> None:
    done = filled("search", "xyzzyqq")

    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("nothing was found")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["--project", "Paint"],
            2,
            "several projects are called 'Paint': name one of them by 2, 3",
        ),
        (["--project", "Nope"], 1, "Project Nope does not exist"),
        (["--project", "1", "--viewer", "ben"], 1, "Project 1 (by id or by name) does not exist"),
        (["--since", "yesterday"], 2, "'yesterday' is no time: pass 2026-01-31"),
        (["--kind", "thing"], 2, "is not one of 'project', 'conversation', 'document'"),
        (["--limit", "0"], 2, "0 is not in the range"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_refused(
    filled: Call, arguments: list[str], code: int, said: str
) -> None:
    done = filled("search", "scaffold", *arguments)

    assert done.code == code
    assert said in done.said


def test_digits_are_the_name_of_a_project_where_no_id_is_so(filled: Call) -> None:
    one = FILL.replace('("Shop", "ana"), ("Paint", "ben"), ("Paint", "ben")', '("2026", "ana"),')
    assert filled("shell", "-c", one).code == 0

    done = filled("search", "scaffold", "--json", "--project", "2026")

    assert len(hits(done)) == 2
