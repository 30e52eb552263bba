"""Sample organisations are the same each time, are known as such, and go again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.models import Document, Organization
from axai_pg.seeding import planned_rows, sample_id, seed, unseed
from axai_pg.utils.sample_data import load

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def manager(schema_url: str) -> Iterator[DatabaseManager]:
    """Yield the manager of a database with two organisations that are no samples of a seed."""
    manager = DatabaseManager(PostgresConnectionConfig.from_url(schema_url))
    manager.isolation.warned = True
    with manager.system_scope("test") as session:
        load(session)
    yield manager
    manager.dispose()


def written(manager: DatabaseManager, seed_: int, number: int) -> list[tuple[str, str | None]]:
    """Return the documents of a sample organisation."""
    with manager.session_scope(org_id=sample_id(seed_, number)) as session:
        query = session.query(Document.title, Document.content).order_by(Document.id)
        return [(title, content) for title, content in query]


@pytest.mark.slow
@pytest.mark.sampled(2)
def test_the_same_seed_makes_the_same_organisations(manager: DatabaseManager) -> None:
    told: list[tuple[int, int]] = []
    made = seed(
        manager,
        organizations=2,
        documents=9,
        seed=3,
        progress=lambda *each: told.append(each),
    )
    first = written(manager, 3, 1)
    again = seed(manager, organizations=2, documents=9, seed=3)
    removed = unseed(manager)
    seed(manager, organizations=1, documents=9, seed=3)

    assert made == planned_rows(2, 9)
    assert told == [(1, 2), (2, 2)]
    assert set(again.values()) == {0}
    assert removed == 2
    assert written(manager, 3, 1) == first
    assert len({title for title, _ in first}) > 5


@pytest.mark.slow
def test_documents_belong_to_any_of_many_users(
    manager: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axai_pg.seeding._users", lambda _documents: 1_000)
    seed(manager, organizations=1, documents=600)

    with manager.session_scope(org_id=sample_id(7, 1)) as session:
        owners = session.query(Document.owner_id).distinct().count()
    assert owners > 256


def test_only_samples_are_removed(manager: DatabaseManager) -> None:
    with manager.system_scope("test") as session:
        session.add_all(
            [Organization(name="Mine (sample 7-1)"), Organization(id=sample_id(7, 2), name="Ours")]
        )

    assert unseed(manager) == 0


def test_a_sample_says_that_it_is_one(manager: DatabaseManager) -> None:
    seed(manager, organizations=1, documents=1)

    with manager.session_scope(org_id=sample_id(7, 1)) as session:
        name = session.query(Organization.name).scalar()
        document = session.query(Document).one()
    assert name.endswith(" (sample 7-1)")
    assert document.source == "sample"
    assert document.document_metadata["sample"] is True
    assert document.content is not None
    assert document.size == len(document.content.encode()) - 31


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"organizations": 0}, "organizations"),
        ({"documents": 2_000_000}, "documents"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(
    shared_url: str, given: dict[str, Any], column: str
) -> None:
    manager = DatabaseManager(PostgresConnectionConfig.from_url(shared_url))

    with pytest.raises(ValueRefused) as refused:
        seed(manager, **given)
    assert refused.value.column == column
