"""The scripts beside the package do what their names say, wherever they are called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from axai_pg.data.config import PostgresConnectionConfig

if TYPE_CHECKING:
    from andamios_orm.testing.databases import PostgresDatabases

FOLDER = Path(__file__).resolve().parent.parent
SCRIPTS = ("run_tests.sh", "reset_db.sh", "add_sample_data.py")
ORGANIZATIONS = "SELECT name FROM organizations ORDER BY name"


def call(
    script: str, *arguments: str, cwd: Path, folder: Path = FOLDER, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script with the commands of this environment, where nothing names a database."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POSTGRES_", "AXAI_", "MAKE", "ENV"))
    }
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [folder / script, *arguments],
        cwd=cwd,
        env={**own, "PATH": commands, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.e2e
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_how_it_is_called(script: str, tmp_path: Path) -> None:
    done = call(script, "-h", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {script} ")


@pytest.mark.e2e
def test_arguments_reach_pytest_as_they_were_given(tmp_path: Path) -> None:
    some = call("run_tests.sh", "-k", "search or topics", cwd=tmp_path, MAKEFLAGS="-n")
    none = call("run_tests.sh", cwd=tmp_path, MAKEFLAGS="-n")

    assert "packages/axai-pg/tests -k search\\ or\\ topics" in some.stdout, some.stderr
    assert "packages/axai-pg/tests;" in none.stdout, none.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("arguments", [("--url", "x"), ("--yes", "--dry-run"), ("",)])
def test_a_reset_knows_one_option(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = call("reset_db.sh", *arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")


@pytest.mark.e2e
@pytest.mark.parametrize("script", SCRIPTS[1:])
def test_a_script_without_its_command_says_what_to_do(script: str, tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "packages" / "axai-pg"
    folder.mkdir(parents=True)
    shutil.copy(FOLDER / script, folder)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "python3").symlink_to(sys.executable)

    done = call(script, cwd=tmp_path, folder=folder, PATH=str(programs))

    assert done.returncode == 1
    assert "there is no command axai-pg: call make setup" in done.stderr


@pytest.mark.e2e
@pytest.mark.db
@pytest.mark.slow
def test_a_database_is_filled_and_reset(
    schema_url: str, andamios_postgres_databases: PostgresDatabases, tmp_path: Path
) -> None:
    config = PostgresConnectionConfig.from_url(schema_url)
    (tmp_path / ".env").write_text(
        f"POSTGRES_HOST={config.host}\nPOSTGRES_PORT={config.port}\nPOSTGRES_DB={config.database}\n"
        f"POSTGRES_USER={config.username}\nPOSTGRES_PASSWORD={config.password}\n"
    )

    def organizations() -> list[str]:
        with psycopg.connect(schema_url.replace("+psycopg", "", 1)) as connection:
            return [name for (name,) in connection.execute(ORGANIZATIONS)]

    added = call("add_sample_data.py", cwd=tmp_path)
    filled = organizations()
    asked = call("reset_db.sh", cwd=tmp_path)
    kept = organizations()
    reset = call("reset_db.sh", "--yes", cwd=tmp_path)
    emptied = organizations()
    andamios_postgres_databases.drop(schema_url)
    made = call("reset_db.sh", cwd=tmp_path)

    assert added.returncode == 0, added.stderr
    assert filled == kept == ["Acme", "Globex"]
    assert asked.returncode == 2
    assert config.database in asked.stdout
    assert "pass --yes" in asked.stderr
    assert reset.returncode == 0, reset.stderr
    assert emptied == []
    assert made.returncode == 0, made.stderr
    assert organizations() == []
