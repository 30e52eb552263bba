"""Whatever is broken in the schema is noticed: an attack gets through, or a promise is broken."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing
from random import Random, randrange
from typing import TYPE_CHECKING, Any

import pytest
from tests.isolation.attacks_on_keys import ATTACKS as ON_KEYS
from tests.isolation.attacks_on_rights import ATTACKS as ON_RIGHTS
from tests.isolation.attacks_on_rows import ATTACKS as ON_ROWS
from tests.isolation.mutants import EQUIVALENT, Mutant, mutants
from tests.isolation.promises import PROMISES
from tests.isolation.promises_of_functions import PROMISES as OF_FUNCTIONS
from tests.isolation.scene import Scene
from tests.isolation.test_catalogue import TESTS as OF_CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from tests.isolation.scene import Organisation

pytestmark = [pytest.mark.integration, pytest.mark.db]

KINDS = (
    "DROP POLICY",
    "ALTER POLICY",
    "ALTER TABLE .* DISABLE ROW",
    "ALTER TABLE .* NO FORCE",
    "ALTER TABLE .* OWNER",
    "ALTER TABLE .* DROP CONSTRAINT pk_",
    "ALTER TABLE .* DROP CONSTRAINT fk_",
    "ALTER TABLE .* DROP CONSTRAINT uq_",
    ".* ADD CONSTRAINT pk_",
    ".* ADD CONSTRAINT fk_",
    ".* ADD CONSTRAINT uq_",
    "DROP INDEX",
    "REVOKE",
    "GRANT TRUNCATE",
    "GRANT REFERENCES",
    "GRANT TRIGGER",
    "GRANT INSERT",
    "GRANT EXECUTE",
    "GRANT CREATE",
    "GRANT TEMPORARY",
    "ALTER DEFAULT",
    "ALTER FUNCTION .* RESET",
    "ALTER FUNCTION .* SECURITY",
    "CREATE OR REPLACE",
    "ALTER TABLE .* DISABLE TRIGGER",
    "ALTER ROLE .* BYPASSRLS",
    "GRANT axai_owner TO axai_app",
)


class Hunt:
    """Looks for a check that a mutant fails; that which found the last one looks first."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        organisations: tuple[Organisation, Organisation],
    ) -> None:
        self._connection = connection
        self._organisations = organisations
        self._checks = [*ON_RIGHTS, *PROMISES, *ON_KEYS, *OF_FUNCTIONS, *ON_ROWS]

    def killer(self, mutant: Mutant) -> str | None:
        """Return the name of a check that fails, those of the catalogue last, or None."""
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(mutant.statement.encode())
            for check in self._checks:
                if self._fails(lambda: self._attack(check)):  # noqa: B023 - called at once
                    self._checks.remove(check)
                    self._checks.insert(0, check)
                    return check.__name__
            for test in OF_CATALOGUE:
                if self._fails(lambda: test(self._connection)):  # noqa: B023 - called at once
                    return test.__name__
        return None

    def _attack(self, check: Callable[[Scene], Any]) -> None:
        with closing(check(Scene(self._connection, *self._organisations))) as findings:
            assert next(findings, None) is None

    def _fails(self, test: Callable[[], None]) -> bool:
        try:
            with self._connection.transaction(force_rollback=True):
                test()
        except Exception:  # noqa: BLE001 - a test that raises anything has failed
            return True
        return False


def is_equivalent(mutant: Mutant) -> bool:
    return any(re.fullmatch(pattern, mutant.statement) for pattern in EQUIVALENT)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_mutants_are_killed(
    attacked: psycopg.Connection[Any],
    organisations: tuple[Organisation, Organisation],
    rounds: Callable[[int, int, int], int],
) -> None:
    every = [mutant for mutant in mutants(attacked) if not is_equivalent(mutant)]
    seed = randrange(2**32)
    chosen = sorted(Random(seed).sample(every, rounds(20, 60, len(every))))
    hunt = Hunt(attacked, organisations)

    killers = {mutant.statement: hunt.killer(mutant) for mutant in chosen}

    survivors = [statement for statement, killer in killers.items() if killer is None]
    counted = Counter(killers.values()).most_common()
    killed = f"{len(chosen) - len(survivors)} of {len(chosen)} killed"
    print(f"seed {seed}: {killed}, by {counted}; survivors: {survivors}")  # noqa: T201 - the rate
    assert len(survivors) <= 0.05 * len(chosen), survivors


def test_there_is_a_mutant_of_each_kind(attacked: psycopg.Connection[Any]) -> None:
    found = [mutant.statement for mutant in mutants(attacked)]

    assert not [kind for kind in KINDS if not any(re.match(kind, each) for each in found)]
    assert len(found) > 1_000


@pytest.mark.slow
def test_each_mutant_can_be_made(attacked: psycopg.Connection[Any]) -> None:
    for mutant in mutants(attacked):
        with attacked.transaction(force_rollback=True):
            attacked.execute(mutant.statement.encode())


@pytest.mark.slow
def test_what_breaks_nothing_survives(
    attacked: psycopg.Connection[Any], organisations: tuple[Organisation, Organisation]
) -> None:
    assert Hunt(attacked, organisations).killer(Mutant("SELECT 1")) is None
