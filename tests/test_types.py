"""A user's project: both type checkers know the packages, and find what is wrong in it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

PROJECT = """\
from datetime import date
from typing import assert_type

from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.queries import Period, QueryBuilder
from andamios_orm.repositories import BaseRepository


class Base(Row, DeclarativeBase):
    pass


class Project(IntegerKeyMixin, Base):
    __tablename__ = "projects"
    name: Mapped[str]
    stars: Mapped[int]
    made: Mapped[date]


async def main() -> None:
    async with Database("duckdb:///:memory:") as database, database.transaction() as session:
        projects = BaseRepository(session, Project)
        assert_type(await projects.create({"name": "a", "stars": 1}), Project)
        assert_type((await projects.get(1)).stars, int)
        query = QueryBuilder(Project, session).filter(Project.name == "a", Project.stars.in_([1]))
        query = query.filter(Period(Project.made, start=date(2026, 1, 1)))
        assert_type(query, QueryBuilder[Project])
        assert_type(await projects.list(Project.stars > 0), list[Project])
"""
MISTAKES = {
    "a field that is none": 'query.filter(Project.nmae == "a")',
    "a field that is none, of a repository": "await projects.list(Project.nmae == 1)",
    "a value of another type in a filter": "query.filter(Period(Project.name, start='monday'))",
    "text for a condition": "query.filter(\"name = 'a'\")",
    "a value of another type in a field": "(await projects.get(1)).stars = 'many'",
    "a number for text": "assert (await projects.get(1)).name.upper() + 1",
    "a limit that is text": "await projects.list(limit='ten')",
    "a model that is none": "BaseRepository(session, Database('x'))",
    "a coroutine for its result": "projects.get(1).stars",
}
MISTAKE = MISTAKES["a field that is none"]
CACHE = Path(__file__).parent.parent / ".cache" / "mypy" / "project-of-a-user"
CHECKERS = {
    "mypy": [
        "-m",
        "mypy",
        "--strict",
        f"--cache-dir={CACHE}",
        "--no-error-summary",
        "--python-executable",
    ],
    "pyright": ["-m", "basedpyright", "--level", "error", "--pythonpath"],
}


def errors(checker: str, project: Path, python: str = sys.executable) -> set[int]:
    """Return the lines of the project in which a checker finds an error."""
    finished = subprocess.run(
        [sys.executable, *CHECKERS[checker], python, "main.py"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"main\.py:(\d+)(?::\d+)?:? (?:- )?error", finished.stdout)
    assert bool(found) == bool(finished.returncode), finished.stdout + finished.stderr
    return {int(line) for line in found}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project that uses the package rightly, and pyright's own settings."""
    (tmp_path / "main.py").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.basedpyright]\ntypeCheckingMode = 'strict'\n", encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_project_that_is_right_has_no_errors(checker: str, project: Path) -> None:
    assert errors(checker, project) == set()


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_wheel_brings_its_types(
    checker: str, project: Path, install_wheel: Callable[..., str]
) -> None:
    python = install_wheel("andamios-orm")

    assert errors(checker, project, python) == set()
    (project / "main.py").write_text(f"{PROJECT}        {MISTAKE}\n", encoding="utf-8")
    assert errors(checker, project, python) == {PROJECT.count("\n") + 1}


@pytest.mark.parametrize("checker", CHECKERS)
def test_each_mistake_is_an_error(checker: str, project: Path) -> None:
    first = PROJECT.count("\n") + 1
    lines = [f"        {mistake}  # {what}" for what, mistake in MISTAKES.items()]
    (project / "main.py").write_text(PROJECT + "\n".join(lines) + "\n", encoding="utf-8")

    assert errors(checker, project) == {*range(first, first + len(MISTAKES))}
