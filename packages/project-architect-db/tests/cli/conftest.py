"""The command, called as a shell calls it, in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from sqlalchemy import MetaData, make_url

import andamios_orm
from andamios_orm import Database
from project_architect_db.cli.main import main
from project_architect_db.migration import MigrationManager
from project_architect_db.models import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from andamios_orm.testing.prepared import PreparedDatabases

EMPTY = MetaData()
FILE = Path("project_architect.duckdb")


class Done(NamedTuple):
    """What a command has left: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What it told a person, without the frames around it."""
        return " ".join(self.err.replace("│", " ").split())


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Go to an empty folder, and return what runs the command there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PAD_DATABASE_URL", raising=False)

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def stamped(andamios_prepared: PreparedDatabases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DuckDB file at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("stamped") / "empty.duckdb"
    with andamios_prepared.duckdb(Base.metadata) as url:
        andamios_orm.run(_stamp(url))
        shutil.copyfile(str(make_url(url).database), path)
    return path


async def _stamp(url: str) -> None:
    async with Database(url) as database:
        await MigrationManager(database).stamp()


@pytest.fixture
def server_url(andamios_prepared: PreparedDatabases) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database."""
    with andamios_prepared.postgresql(EMPTY) as url:
        yield url


@pytest.fixture(params=["duckdb", "postgresql"])
def on(
    request: pytest.FixtureRequest,
    call: Callable[..., Done],
    andamios_prepared: PreparedDatabases,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Done]]:
    """Yield what runs the command on an empty database at the newest revision, of each system."""
    if request.param == "duckdb":
        shutil.copyfile(request.getfixturevalue("stamped"), FILE)
        yield call
        return
    with andamios_prepared.postgresql(Base.metadata) as url:
        andamios_orm.run(_stamp(url))
        monkeypatch.setenv("PAD_DATABASE_URL", url)
        yield call


@pytest.fixture
def shop(call: Callable[..., Done]) -> Path:
    """Make a small clone in the folder, and return its path."""
    folder = Path("shop")
    folder.mkdir()
    (folder / "README.md").write_text("# Shop\n\nSells scaffolds to people who build.\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = ["fastapi"]\n')
    (folder / "latest.md").symlink_to("README.md")
    _git(folder, "init", "--quiet", "--template=", "-b", "main")
    _commit(folder, "Initial commit")
    return folder


@pytest.fixture
def commit() -> Callable[[Path, str], None]:
    """Return what commits all that is in a folder."""
    return _commit


@pytest.fixture
def prepared(call: Callable[..., Done], stamped: Path, shop: Path) -> Callable[[str], None]:
    """Return what brings the folder to where the examples of a command begin."""

    def prepare(name: str) -> None:
        if name != "init":
            shutil.copyfile(stamped, FILE)
        if name == "import":
            paint = Path(shutil.copytree(shop, "paint"))
            (paint / "pyproject.toml").write_text('[project]\nname = "paint"\n')
            _commit(paint, "Another name")
            _git(Path(), "init", "--quiet", "--template=", "-b", "main")
            _commit(Path(), "Initial commit")
            _write_files()
        if name == "search":
            call("import", "git", "shop")
        if name == "restore":
            call("backup", "monday.duckdb")

    return prepare


def _write_files() -> None:
    """Write what the examples of ``import`` read, which are beside a clone."""
    idea = "Sells scaffolds to people"
    Path("projects.csv").write_text(f"name,project_idea\nBricks,{idea}\n")
    Path("old.csv").write_text(f"Title,project_idea,Notes\nTiles,{idea},x\n")
    Path("documents.ndjson").write_text('{"name": "a.md", "content": "Text"}\n')
    Path("issues.json").write_text(_ISSUES)
    Path("runs.json").write_text("[]")
    Path("exported").mkdir()
    shutil.copyfile("issues.json", "exported/issues.json")


_ISSUES = """[{"html_url": "https://github.com/ana/tiles/issues/1", "number": 1, "title": "Broken",
"body": "No.", "state": "open", "user": {"login": "ana"}, "created_at": "2026-01-01T10:00:00Z",
"updated_at": "2026-01-01T10:00:00Z", "url": "https://api.github.com/repos/ana/tiles/issues/1"}]"""


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "-m", message)
