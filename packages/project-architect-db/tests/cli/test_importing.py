"""Clones become projects."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from andamios_orm.exceptions import DatabaseLocked
from project_architect_db.cli import importing
from project_architect_db.importers import CloneDamaged

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(6)]

Call: TypeAlias = "Callable[..., Any]"
ROOT = Path(__file__).parents[4]
PAGE = "https://github.com/ana/shop/issues/1"
ISSUE = {
    "url": "https://api.github.com/repos/ana/shop/issues/1",
    "html_url": PAGE,
    "number": 1,
    "title": "It is broken",
    "body": "Nothing works.",
    "state": "open",
    "user": {"login": "ana"},
    "created_at": "2026-01-01T10:00:00Z",
    "updated_at": "2026-01-01T10:00:00Z",
}


@pytest.mark.slow
def test_a_clone_is_imported_and_what_was_left_out_is_said(on: Call, shop: Path) -> None:
    done = on("import", "git", str(shop), "--owner", "ana")
    owners = on("query", "SELECT name, owner FROM projects", "--format", "csv")

    assert (done.code, done.out) == (
        0,
        "shop (new project 1): 1 commit, 1 conversation, 1 document, 1 version\n",
    )
    assert done.err == "  shop: latest.md: a symbolic link is not followed\n"
    assert owners.out == "name,owner\nshop,ana\n"


@pytest.mark.slow
def test_a_known_clone_brings_what_is_new(
    on: Call, shop: Path, commit: Callable[[Path, str], None]
) -> None:
    on("import", "git", str(shop))
    nothing = on("import", "git", str(shop), "-q")
    for count in range(2):
        (shop / "README.md").write_text(f"# Shop\n\nSells {count} scaffolds to people.\n")
        commit(shop, f"docs: {count}")
    more = on("import", "git", str(shop), "-q")

    assert (nothing.out, nothing.err) == ("shop (project 1): nothing new\n", "")
    assert more.out.startswith("shop (project 1): 2 commits, ")
    assert more.out.endswith("2 versions\n")


def test_a_path_that_fails_is_said_and_the_rest_is_imported(on: Call, shop: Path) -> None:
    Path("nothing").mkdir()

    done = on("import", "git", "nowhere", "nothing", str(shop))
    again = on("import", "git", "nowhere", str(shop), "--json")

    assert done.code == again.code == 1
    assert done.out.startswith("shop (new project 1): ")
    first, second, *_ = done.err.splitlines()
    assert first.startswith("project-architect-db: ")
    assert first.endswith("nowhere: no such folder")
    assert "nothing: " in second
    missing, known = json.loads(again.out)["imported"]
    assert (missing["path"], missing["error"]) == ("nowhere", "PathMissing")
    assert (known["path"], known["name"], known["commits"]) == ("shop", "shop", 0)


@pytest.mark.slow
def test_where_there_is_no_clone_no_database_is_made(call: Call) -> None:
    Path("nothing").mkdir()
    Path("loop").symlink_to("loop")
    subprocess.run(["git", "init", "--quiet", "--template=", "empty"], check=True)

    done = call("import", "git", "nowhere", "nothing", "loop", "empty")

    assert done.code == 1
    assert [line.rpartition("/")[2] for line in done.err.splitlines()][::2] == [
        "nowhere: no such folder",
        "loop: no such folder",
    ]
    assert sorted(map(str, Path().iterdir())) == ["empty", "loop", "nothing"]


@pytest.mark.parametrize("arguments", [["files", "projects"], ["github"]], ids=lambda each: each[0])
def test_where_there_is_no_file_no_database_is_made(call: Call, arguments: list[str]) -> None:
    done = call("import", *arguments, "nowhere")

    assert done.code == 2
    assert "'nowhere' does not exist" in done.err
    assert not list(Path().iterdir())


def test_a_database_that_is_lost_ends_the_import(
    on: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*arguments: Any, **options: Any) -> None:
        raise DatabaseLocked("another process took it")

    monkeypatch.setattr(importing, "import_clone", lost)

    done = on("import", "git", str(shop), str(shop))

    assert done.code == 4
    assert done.err.count("another process took it") == 1


def test_a_clone_that_is_refused_while_it_is_read_is_named(
    on: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*arguments: Any, **options: Any) -> None:
        raise CloneDamaged(shop, "a commit cannot be read")

    monkeypatch.setattr(importing, "import_clone", damaged)

    done = on("import", "git", str(shop))

    assert done.code == 1
    assert "a commit cannot be read" in done.err


PROJECTS = """Title,Idea,Notes
Shop,Sells scaffolds to people,x
Paint,Sells paint to everybody,y
"""
MAP = ("--map", "Title=name", "--map", "Idea=project_idea", "--map", "Notes=")


@pytest.mark.slow
def test_rows_of_a_file_become_projects(on: Call) -> None:
    Path("projects.csv").write_text(PROJECTS)

    dry = on("import", "files", "projects", "projects.csv", "--dry-run", *MAP)
    none = on("export", "projects", "--columns", "name")
    done = on("import", "files", "projects", "projects.csv", "--viewer", "ana", *MAP)
    there = on("export", "projects", "--columns", "name,owner", "--sort", "id")

    assert (dry.code, dry.out) == (0, "2 of 2 projects would be made\n")
    assert none.out == "name\n"
    assert (done.code, done.out) == (0, "2 of 2 projects made\n")
    assert there.out == "name,owner\nShop,ana\nPaint,ana\n"


@pytest.mark.slow
def test_what_rows_belong_to_is_named_by_digits_as_well(on: Call) -> None:
    Path("projects.csv").write_text(PROJECTS.replace("Shop", "2026", 1))
    Path("documents.csv").write_text("name,content\na.md,Text\n")
    on("import", "files", "projects", "projects.csv", *MAP)

    done = on("import", "files", "documents", "documents.csv", "--project", "2026")
    none = on("import", "files", "documents", "documents.csv", "--project", "1999")

    assert done.out == "1 of 1 documents made\n"
    assert (none.code, "Project 1999 (by id or by name) does not exist" in none.err) == (1, True)


def test_rows_may_come_from_the_standard_input(on: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("projects.csv").write_text(PROJECTS)
    on("import", "files", "projects", "projects.csv", *MAP)
    line = {"name": "a.md", "content": "Text"}
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(line).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)

    done = on("import", "files", "documents", "-", "--format", "ndjson", "--project", "2")

    assert done.code == 0, done.err
    assert (
        on("export", "documents", "--columns", "project_id,name").out == "project_id,name\n2,a.md\n"
    )


@pytest.mark.slow
def test_rows_that_are_wrong_are_named_and_nothing_is_stored(on: Call) -> None:
    Path("projects.csv").write_text("name,project_idea\nShop,Sells scaffolds to people\nPaint,no\n")

    done = on("import", "files", "projects", "projects.csv")
    told = on("import", "files", "projects", "projects.csv", "--json")

    assert done.code == told.code == 5
    assert "  row 2 (line 3), project_idea: " in done.err
    assert "projects.csv: a value refused\n" in done.err
    assert json.loads(told.out)["refused"][0]["row"] == 2
    assert on("export", "projects", "--columns", "name").out == "name\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["projects", "nowhere.csv"], 2, "'nowhere.csv' does not exist"),
        (["projects", "."], 1, ".: it has no suffix"),
        (["projects", "-", "--map", "Title"], 2, "--map takes COLUMN=FIELD"),
        (["things", "nowhere.csv"], 2, "'things' is not one of 'projects'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_file_that_cannot_be_read_is_refused(
    on: Call, arguments: list[str], code: int, said: str
) -> None:
    done = on("import", "files", *arguments)

    assert done.code == code
    assert said in done.said


def test_what_github_answered_becomes_conversations(on: Call) -> None:
    Path("issues.json").write_text(json.dumps([ISSUE]))
    Path("broken.json").write_text("[{")

    done = on("import", "github", "issues.json", "broken.json", "--viewer", "ana")
    again = on("import", "github", "issues.json", "--json")

    assert done.code == 0, done.err
    assert done.out.startswith("1 payloads of 2 files: new: ")
    assert "broken.json" in done.err
    assert json.loads(again.out)["imported"][0]["files"] == 1
    assert json.loads(on("--json").out)["status"][0]["counts"]["conversations"] == 1


TITLE = "\x1b]0;owned\x07\x9b2J"


def test_names_in_a_clone_reach_no_terminal(
    on: Call, shop: Path, commit: Callable[[Path, str], None]
) -> None:
    clone = shop.rename(f"shop{TITLE}")
    (clone / f"{TITLE}.md").symlink_to("README.md")
    (clone / "pyproject.toml").unlink()
    commit(clone, "docs: a link")

    done = on("import", "git", str(clone), f"nowhere{TITLE}")

    assert done.code == 1
    assert done.out.startswith("shop ]0;owned 2J (new project 1): ")
    assert "]0;owned 2J.md: a symbolic link is not followed" in done.err
    assert "nowhere ]0;owned 2J: no such folder" in done.err
    assert _is_plain(done)


def test_names_in_a_file_reach_no_terminal(on: Call) -> None:
    rows = {f"name{TITLE}": "Shop", "project_idea": "no", f"un{TITLE}known": "x"}
    path = Path(f"rows{TITLE}.ndjson")
    path.write_text(json.dumps(rows))
    named = ("--map", f"name{TITLE}=name", "--map", f"un{TITLE}known=")

    unknown = on("import", "files", "projects", str(path))
    refused = on("import", "files", "projects", str(path), *named)
    path.write_text(json.dumps({**rows, "project_idea": "Sells scaffolds to people"}))
    made = on("import", "files", "projects", str(path), *named)

    assert [unknown.code, refused.code, made.code] == [5, 5, 0], unknown.err
    assert "rows ]0;owned 2J.ndjson: " in refused.err
    assert "  un ]0;owned 2Jknown: " in made.err
    assert all(map(_is_plain, (unknown, refused, made)))


def test_names_in_answers_of_github_reach_no_terminal(on: Call) -> None:
    Path(f"broken{TITLE}.json").write_text("[{")

    done = on("import", "github", f"broken{TITLE}.json")

    assert "broken ]0;owned 2J.json" in done.err
    assert _is_plain(done)


def _is_plain(done: Any) -> bool:
    return not set(TITLE) - set("]0;owned2J") & set(done.out + done.err)


@pytest.mark.slow
def test_an_import_that_is_interrupted_has_stored_nothing_and_can_be_run_again(call: Call) -> None:
    program = "from project_architect_command import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "import", "git", str(ROOT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("made duckdb")
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()

    counts = json.loads(call("--json").out)["status"][0]["counts"]
    again = call("import", "git", str(ROOT), "--quiet")

    assert (running.returncode, said) == (
        130,
        "project-architect-db: interrupted; nothing is half done\n",
    )
    assert set(counts.values()) == {0}
    assert again.code == 0
    assert "(new project 1)" in again.out
