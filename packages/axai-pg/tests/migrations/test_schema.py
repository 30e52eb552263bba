"""The models say what the changes build."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine

from andamios_orm.migration.comparing import differences
from andamios_orm.migration.target import Target
from axai_pg.data.models import Base

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.mark.slow
def test_the_models_are_what_the_changes_build(shared_url: str) -> None:
    engine = create_engine(shared_url)
    with engine.connect() as connection:
        found = differences(Target((Base.metadata,)), connection)
        names = {name for (name,) in connection.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}  # fmt: skip
    engine.dispose()

    assert found == ()
    assert names == set(Base.metadata.tables)


@pytest.mark.slow
@pytest.mark.sampled(13)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE topics ADD COLUMN added int",
        "ALTER TABLE topics DROP COLUMN keywords",
        "ALTER TABLE topics ALTER COLUMN name TYPE varchar(99)",
        "ALTER TABLE topics ALTER COLUMN name DROP NOT NULL",
        "ALTER TABLE topics ALTER COLUMN is_active DROP DEFAULT",
        "ALTER TABLE topics ALTER COLUMN id DROP DEFAULT",
        "ALTER TABLE topics DROP CONSTRAINT ck_topics_valid_importance",
        "ALTER TABLE topics DROP CONSTRAINT uq_topics_org_id_name",
        "ALTER TABLE topics DROP CONSTRAINT fk_topics_org_id_organizations",
        "DROP INDEX ix_topics_org_id_parent_topic_id",
        "DROP INDEX uq_users_org_id_email",
        "DROP INDEX ix_documents_metadata",
        "CREATE TABLE added (id int)",
    ],
)
def test_a_difference_of_models_and_changes_is_found(shared_url: str, statement: str) -> None:
    engine = create_engine(shared_url)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
        found = differences(Target((Base.metadata,)), connection)
    engine.dispose()

    assert found


@pytest.mark.slow
def test_the_page_of_the_tables_is_what_the_changes_build(
    shared_url: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "scripts"))
    tables = importlib.import_module("axai_schema_page")
    with psycopg.connect(shared_url.replace("+psycopg", "", 1)) as connection:
        page = tables.page(connection)
        connection.execute("ALTER TABLE topics ALTER COLUMN name SET DEFAULT 'none'")
        other = tables.page(connection)
        connection.rollback()

    assert tables.PAGE.read_text(encoding="utf-8") == page, "run scripts/axai_schema.py --write"
    assert tables.DRAWING.read_text(encoding="utf-8") == tables.drawing()
    assert page != other
