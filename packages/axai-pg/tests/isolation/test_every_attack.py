"""Attacks by whoever has the rights of a service and the context of another organisation.

What is attacked is in the catalogue: a table that is added is attacked as well, and one that
the attackers cannot make rows for is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.isolation.attacks_on_keys import ATTACKS as ON_KEYS
from tests.isolation.attacks_on_keys import unique_values_tell_of_rows_of_others
from tests.isolation.attacks_on_rights import ATTACKS as ON_RIGHTS
from tests.isolation.attacks_on_rights import a_view_shows_what_its_owner_sees
from tests.isolation.attacks_on_rows import ATTACKS as ON_ROWS
from tests.isolation.attacks_on_rows import rows_of_others_are_read
from tests.isolation.promises import PROMISES
from tests.isolation.promises_of_functions import PROMISES as OF_FUNCTIONS
from tests.isolation.scene import Scene, fill

from axai_pg.data.models import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.isolation.scene import Organisation

    Attack = Callable[[Scene], Iterator[str]]

pytestmark = [pytest.mark.integration, pytest.mark.db]

VERBS = (
    "SELECT",
    "SELECT of theirs",
    "SELECT FOR UPDATE",
    "SELECT with an error",
    "SELECT with a value in the error",
    "SELECT by a view",
    "INSERT",
    "UPDATE",
    "UPDATE RETURNING",
    "DELETE",
    "DELETE RETURNING",
    "MERGE UPDATE",
    "MERGE DELETE",
    "MERGE INSERT",
    "COPY TO",
    "COPY FROM",
)


def _name(attack: Attack) -> str:
    return attack.__name__


@pytest.mark.parametrize("attack", [*ON_ROWS, *ON_KEYS, *ON_RIGHTS], ids=_name)
def test_an_attack_gets_nothing(scene: Scene, attack: Attack) -> None:
    assert list(attack(scene)) == []


@pytest.mark.parametrize("promise", [*PROMISES, *OF_FUNCTIONS], ids=_name)
def test_a_promise_is_kept(scene: Scene, promise: Attack) -> None:
    assert list(promise(scene)) == []


def test_the_attacked_tables_are_those_of_the_models(scene: Scene) -> None:
    assert {table.name for table in scene.tables} == set(Base.metadata.tables)


@pytest.mark.slow
def test_each_table_is_attacked_by_each_verb(scene: Scene) -> None:
    for attack in ON_ROWS:
        assert list(attack(scene)) == []

    owned = [table.name for table in scene.tables if table.tenant]
    missed = {(name, verb) for name in owned for verb in VERBS} - scene.tried
    assert len(owned) > 15
    assert not missed


ADDED = """
CREATE TABLE public.added (org_id uuid NOT NULL, id uuid NOT NULL, code text NOT NULL);
GRANT SELECT, INSERT ON public.added TO axai_app, axai_system;
"""


ADDED_KEY = f"""
{ADDED} CALL public.axai_isolate('added');
CREATE UNIQUE INDEX codes ON public.added (code);
"""
ADDED_VIEW = """
CREATE VIEW public.added AS SELECT * FROM public.users;
GRANT SELECT ON public.added TO axai_app;
"""
ADDED_PARTITION = """
CREATE TABLE public.whole (org_id uuid NOT NULL, id uuid NOT NULL) PARTITION BY HASH (org_id);
CREATE TABLE public.part PARTITION OF public.whole FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CALL public.axai_isolate('whole');
GRANT SELECT ON public.part TO axai_app;
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("statement", "attack", "told"),
    [
        (ADDED, rows_of_others_are_read, "added"),
        (ADDED_KEY, unique_values_tell_of_rows_of_others, "codes"),
        (ADDED_VIEW, rows_of_others_are_read, "added"),
        (
            ADDED_VIEW.replace("VIEW", "MATERIALIZED VIEW"),
            a_view_shows_what_its_owner_sees,
            "added",
        ),
        (ADDED_PARTITION, rows_of_others_are_read, "part"),
    ],
    ids=["table", "unique index", "view", "materialised view", "partition"],
)
def test_what_is_added_is_attacked(
    attacked: psycopg.Connection[Any], statement: str, attack: Attack, told: str
) -> None:
    with attacked.transaction(force_rollback=True):
        attacked.execute("SET LOCAL search_path = public, pg_temp")
        attacked.execute(statement.encode())
        scene = Scene(attacked, fill(attacked), fill(attacked))

        found = list(attack(scene))

    assert any(told in each for each in found)


def test_a_table_that_cannot_be_filled_is_an_error(attacked: psycopg.Connection[Any]) -> None:
    with attacked.transaction(force_rollback=True):
        attacked.execute("CREATE TABLE public.added (org_id uuid NOT NULL, place box NOT NULL)")

        with pytest.raises(psycopg.Error, match="box"):
            fill(attacked)


def test_a_view_for_whoever_asks_shows_own_rows(
    attacked: psycopg.Connection[Any], organisations: tuple[Organisation, Organisation]
) -> None:
    with attacked.transaction(force_rollback=True):
        attacked.execute(
            "CREATE VIEW public.added WITH (security_invoker = true) AS SELECT * FROM public.users;"
            " GRANT SELECT ON public.added TO axai_app"
        )
        scene = Scene(attacked, *organisations)

        assert list(rows_of_others_are_read(scene)) == []
        assert list(a_view_shows_what_its_owner_sees(scene)) == []
