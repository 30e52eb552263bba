from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import MigrationRefused
from axai_pg.migrations.script import read_script

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

BODY = """
CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN; RETURN 1; END; $$;
CREATE OR REPLACE FUNCTION two(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC
    SELECT 1; SELECT CASE WHEN true THEN 2 END; END;
DO $do$ BEGIN PERFORM '$$; COMMIT;'; END $do$;
-- BEGIN; it's a comment
/* ; COMMIT; /* ROLLBACK; */ ; COMMIT; */
SELECT 'it''s; COMMIT;', E'\\'; COMMIT;', "a; COMMIT;", $1 FROM a$b$c;
SAVEPOINT kept; ROLLBACK TO kept; ROLLBACK TRANSACTION TO SAVEPOINT kept; RELEASE kept;
"""
"""Nothing in it begins or ends a transaction."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.sql"


@pytest.mark.parametrize(
    ("begin", "commit"),
    [
        ("BEGIN;", "COMMIT;"),
        ("-- head\n\nBEGIN; -- x", "COMMIT; -- x"),
        ("BEGIN /* */;", "/* x */ COMMIT /* y */ ; /* z"),
        ("begin work;", "End"),
        ("START TRANSACTION;", "ROLLBACK TRANSACTION;"),
    ],
)
def test_a_frame_is_taken_off(path: Path, begin: str, commit: str) -> None:
    path.write_text(f"{begin}{BODY}{commit}\n", encoding="utf-8")

    script = read_script(path)

    assert script.framed
    before, found, after = script.body.partition(BODY.strip())
    assert found
    assert not re.search("BEGIN|COMMIT|END|ROLLBACK|START", before + after, re.IGNORECASE)


def test_a_script_without_a_frame_is_as_it_was(path: Path) -> None:
    path.write_text(BODY, encoding="utf-8")

    script = read_script(path)

    assert (script.framed, script.body) == (False, BODY)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;", 3, "COMMIT"),
        ("BEGIN;\nBEGIN;\nSELECT 1;\nROLLBACK;\nCOMMIT;", 2, "BEGIN"),
        ("BEGIN;\nSELECT 1;\n  ROLLBACK;\nCOMMIT;", 3, "ROLLBACK"),
        ("BEGIN;\nSELECT 1;\n/* x */ abort;\nCOMMIT;", 3, "ABORT"),
        ("BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;\nCOMMIT;", 3, "COMMIT AND CHAIN"),
        ("BEGIN;\nPREPARE TRANSACTION 'x';\nCOMMIT;", 2, "PREPARE TRANSACTION"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE;\nCOMMIT;", 1, "BEGIN ISOLATION LEVEL SERIALIZABLE"),
        ("SELECT 1;\n\nCOMMIT;", 3, "COMMIT"),
        ("BEGIN;\nSELECT 1;", 1, "BEGIN"),
        ("-- only\nBEGIN", 2, "BEGIN"),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 2;", 1, "BEGIN"),
    ],
)
def test_what_ends_the_transaction_in_between_is_refused(
    path: Path, text: str, line: int, words: str
) -> None:
    path.write_text(text, encoding="utf-8")

    with pytest.raises(MigrationRefused) as refused:
        read_script(path)

    assert str(refused.value).startswith(f"{path}, line {line}: {words} would begin or end")
