"""What the tests of repositories share: a database with their tables, on both systems."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import ModuleType

    from sqlalchemy import MetaData

    from andamios_orm import Database, Session
    from andamios_orm.core import StatementRecord


def _shared(name: str) -> ModuleType:
    """Make a module of this folder importable by the name that type checkers know it by."""
    full = f"tests.repositories.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Base = _shared("models").Base


@dataclass
class Statements:
    """The statements of a database, counted."""

    database: Database
    texts: list[str] = field(default_factory=list)

    @contextmanager
    def counted(self, expected: int) -> Iterator[list[str]]:
        """Fail unless ``expected`` statements run inside."""
        before = len(self.texts)
        seen: list[str] = []
        yield seen
        seen += self.texts[before:]
        assert len(seen) == expected, "\n".join(seen)

    def note(self, record: StatementRecord) -> None:
        """Remember a statement."""
        self.texts.append(record.statement)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    found: MetaData = Base.metadata
    return found


@pytest.fixture
def statements(database: Database) -> Statements:
    """Return what counts the statements of ``database``."""
    statements = Statements(database)
    database.observer.subscribe(statements.note)
    return statements


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """Yield a session that is rolled back in the end."""
    async with database.session() as session:
        yield session
        await session.rollback()
