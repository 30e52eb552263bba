"""A session that acts as a service does, in an organisation."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session

from axai_pg.data.models import Organization, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


@pytest.fixture(scope="session")
def engine(shared_url: str) -> Iterator[Engine]:
    """Yield an engine on the database that tests share."""
    engine = create_engine(shared_url)
    yield engine
    engine.dispose()


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[str]]:
    """Yield the statements that are sent."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Yield a session in a new organisation, of which nothing stays."""
    with Session(engine) as session:
        act_as(session, "axai_app", uuid.uuid4())
        yield session
        session.rollback()


def act_as(session: Session, role: str, org_id: uuid.UUID | None) -> None:
    session.execute(text(f"SET LOCAL ROLE {role}"))
    session.execute(
        text("SELECT set_config('axai.org_id', :org_id, true)"), {"org_id": str(org_id or "")}
    )
    session.info["org_id"] = org_id


@pytest.fixture(name="act_as")
def acting(session: Session) -> Any:
    """Return ``act_as(session, role, org_id)``."""
    return act_as


@pytest.fixture
def organization(session: Session) -> Organization:
    """Return the organisation of the session."""
    made = Organization(id=session.info["org_id"], name="Acme")
    session.add(made)
    session.flush()
    return made


@pytest.fixture
def user(session: Session, organization: Organization) -> User:
    """Return a user of it, who acts."""
    made = User(username="ana", email="ana@example.org")
    session.add(made)
    session.flush()
    session.execute(
        text("SELECT set_config('axai.user_id', :user_id, true)"), {"user_id": str(made.id)}
    )
    return made
