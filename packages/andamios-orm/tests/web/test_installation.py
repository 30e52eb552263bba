import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from andamios_orm import Database
from andamios_orm.exceptions import DatabaseUnavailable
from andamios_orm.web import install, lifespan

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def test_the_database_is_open_while_the_app_runs(app: FastAPI, database: Database) -> None:
    async with app.router.lifespan_context(app):
        inside = (await database.health()).pool

    assert inside.idle == 1
    assert database.engine.pool.checkedin() == 0  # type: ignore[attr-defined]


async def test_the_lifespan_of_the_app_runs_inside(url: str) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def own(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
        seen.append("started")
        yield {"greeting": "hello"}
        seen.append("ended")

    database = Database(url)
    app = FastAPI(lifespan=own)
    install(app, database)

    async with app.router.lifespan_context(app) as state:
        assert state == {"greeting": "hello"}

    assert seen == ["started", "ended"]


async def test_a_database_that_cannot_be_opened_fails_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.duckdb"
    wrong.write_text("no database at all, " * 1000)
    app = FastAPI(lifespan=lifespan(Database(f"duckdb:///{wrong}")))

    with pytest.raises(DatabaseUnavailable):
        async with app.router.lifespan_context(app):
            pytest.fail("it cannot be used")  # pragma: no cover


def run(code: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()


@pytest.mark.slow
def test_the_package_does_not_import_fastapi() -> None:
    code = "import sys, andamios_orm; print({'fastapi', 'starlette'} & set(sys.modules))"

    assert run(code) == "set()"


@pytest.mark.slow
def test_without_fastapi_it_says_what_to_install() -> None:
    hide = "import importlib.util as u; find = u.find_spec\n"
    hide += "u.find_spec = lambda name, *a: None if name == 'fastapi' else find(name, *a)\n"
    ask = "try:\n    import andamios_orm.web\nexcept ImportError as error:\n    print(error)"

    assert run(hide + ask).endswith("pip install 'andamios-orm[fastapi]'")
