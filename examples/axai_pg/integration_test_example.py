"""Tests of another project, on a real PostgreSQL, with nothing but an import.

Shows the fixtures of ``axai_pg.testing.fixtures``: a session of which nothing stays, an
organisation with a session in it, and the manager that the code under test gets.

Run it by itself, or with pytest. Without ``POSTGRES_HOST`` a server is started for the run;
workers of pytest-xdist share it. Costs: the tables are made once, a test is a transaction.

Edge cases: a commit is undone as well; another organisation sees nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from axai_pg import DatabaseManager, Organization, Topic
from axai_pg.testing.fixtures import (
    axai_db_manager,
    axai_db_session,
    axai_org,
    axai_org_session,
)

if TYPE_CHECKING:
    import uuid

    from axai_pg.data.isolation import IsolatedSession

__all__ = ["axai_db_manager", "axai_db_session", "axai_org", "axai_org_session"]


def name_topic(org_id: uuid.UUID, name: str) -> None:
    """Do what the code under test does: take the manager of the program."""
    with DatabaseManager.get_instance().session_scope(org_id) as session:
        session.add(Topic(name=name))


@pytest.mark.parametrize("round_", range(2))
def test_a_commit_is_undone_after_the_test(axai_db_session: IsolatedSession, round_: int) -> None:
    count = select(func.count()).select_from(Organization).where(Organization.name == "Test")
    assert axai_db_session.scalar(count) == 0, round_

    axai_db_session.add(Organization(name="Test"))
    axai_db_session.commit()

    assert axai_db_session.scalar(count) == 1


def test_a_session_is_in_its_organisation(
    axai_org: Organization, axai_org_session: IsolatedSession
) -> None:
    axai_org_session.add(Topic(name="Trees"))
    axai_org_session.flush()

    assert axai_org_session.scalars(select(Topic.org_id)).all() == [axai_org.id]


def test_the_code_under_test_uses_the_manager(
    axai_db_manager: DatabaseManager, axai_org: Organization
) -> None:
    name_topic(axai_org.id, "Oaks")

    with axai_db_manager.session_scope(axai_org.id) as session:
        assert session.scalars(select(Topic.name)).all() == ["Oaks"]


if __name__ == "__main__":
    alone = ["-c", os.devnull, "--rootdir", str(Path(__file__).parent), "--noconftest"]
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", *alone, __file__]))
