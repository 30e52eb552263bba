"""The demo: real projects out of git clones, sample projects around them, a report, a search.

``make demo`` runs it. It imports the clone that it is part of, and those that DEMO_PATHS names
(separated as in PATH, or by blanks), into demo.duckdb in the folder where it runs; a second
run goes on with that, and imports what is new. The report is written beside as demo.html.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text
from sqlalchemy import func, select

import andamios_orm
from andamios_orm.exceptions import AndamiosError
from project_architect_command import PROGRAM
from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.importers import GitMissing, NotARepository, import_clone
from project_architect_db.models import Project
from project_architect_db.reporting import collect, render_html, render_text
from project_architect_db.reporting.words import shown
from project_architect_db.repositories import SearchRepository
from project_architect_db.seeding import seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from project_architect_db.importers import ImportReport
    from project_architect_db.schemas import SearchHit

ROOT = Path(__file__).resolve().parent.parent
NAME = "demo"
SAMPLES = 300
WORDS = "lost update"
SHOWN = 4
OTHER_WORDS = "customer portal"
"""What is looked for where no clone could be imported."""

console = Console(highlight=False, soft_wrap=True)


async def main(paths: Sequence[Path]) -> None:
    """Make the portfolio of ``paths``, or go on with it, and show it."""
    began = time.perf_counter()
    there = await asyncio.to_thread(Path(f"{NAME}.duckdb").exists)
    title(f"A portfolio in {NAME}.duckdb" + (", which was there already" if there else ""))
    async with DatabaseEngine(f"duckdb:///{NAME}.duckdb") as database:
        await database.initialize()
        imported = [await bring(database, path) for path in paths]
        await surround(database)
        page = await report(database)
        await search(database, WORDS if any(imported) else OTHER_WORDS)
    following(page, time.perf_counter() - began)


async def bring(database: DatabaseEngine, path: Path) -> bool:
    """Import a clone, or what is new of it; say why not, and return whether it was."""
    try:
        with console.status(f"reading the history of {path.name}"):
            done = await import_clone(database, path)
    except AndamiosError as error:
        say(f"  {shown(path.name)}: {shown(str(error).splitlines()[0])}")
        if path == ROOT and isinstance(error, NotARepository | GitMissing):
            say("    this folder is here without its history: a clone by git has it")
        return False
    name = shown(done.name)
    say(f"  {name}: {counted(done)}", name)
    return True


def counted(done: ImportReport) -> str:
    """Return what an import has brought."""
    found = {
        "commits": done.commits,
        "conversations": done.conversations,
        "documents": done.documents,
        "versions of them": done.versions,
        "releases": done.releases,
    }
    brought = ", ".join(f"{count:,} {name}" for name, count in found.items() if count)
    return brought or "nothing new since the last time"


async def surround(database: DatabaseEngine) -> None:
    """Make up projects around the real ones, once, so that there is something to compare."""
    async with database.session() as session:
        statement = select(func.count(Project.id)).where(Project.is_sample.is_(True))
        there = await session.scalar(statement) or 0
    if there:
        say(f"  {there:,} sample projects are there already")
        return
    with console.status("making up sample projects"):
        done = await seed(database, projects=SAMPLES)
    say(f"  {SAMPLES:,} sample projects around it, {done.total:,} rows, marked as sample data")


async def report(database: DatabaseEngine) -> Path:
    """Print the report, and return where it was written as a page."""
    portfolio = await collect(database)
    can_color = console.is_terminal and not console.no_color and console.color_system is not None
    is_unicode = (console.encoding or "").lower().startswith("utf")
    console.file.write(
        render_text(portfolio, width=console.width, color=can_color, ascii_only=not is_unicode)
    )
    page = Path(f"{NAME}.html")
    await asyncio.to_thread(page.write_text, render_html(portfolio), encoding="utf-8")
    return page


async def search(database: DatabaseEngine, words: str) -> None:
    """Print what a search for ``words`` finds."""
    found = await SearchRepository(database).search(words, limit=SHOWN)
    title(f"Search: {words} ({found.total:,} hits)")
    keys = {hit.project_id for hit in found.hits}
    async with database.session() as session:
        rows = await session.execute(
            select(Project.id, Project.name, Project.is_sample).where(Project.id.in_(keys))
        )
        projects = {key: (name, is_sample) for key, name, is_sample in rows}
    for hit in found.hits:
        show(hit, *projects[hit.project_id])


def show(hit: SearchHit, project: str, is_sample: bool) -> None:  # noqa: FBT001 - a column of a row
    """Print a hit, with what was found in bold."""
    line = Text("  ")
    line.append(shown(hit.title or hit.kind), style="bold cyan")
    line.append(
        f"  {hit.kind} of {shown(project)}" + (", sample" if is_sample else ""),
        style="bright_black",
    )
    console.print(line)
    piece = Text(hit.plain)
    for start, end in hit.places:
        piece.stylize("bold", start, end)
    piece.truncate(console.width - 6, overflow="ellipsis")
    console.print(Text("    ").append_text(piece))


def following(page: Path, seconds: float) -> None:
    """Print what to try next."""
    command = Path(sys.executable).with_name(PROGRAM.name)
    name = os.path.relpath(command) if command.is_relative_to(Path.cwd()) else PROGRAM.name
    tries = (
        "report --no-sample",
        "import git ../another-clone",
        "search 'write gate'",
        "query 'SELECT status, count(*) FROM projects GROUP BY status'",
        "seed --remove",
    )
    title(f"Done in {seconds:.0f} s. Next")
    say(f"  open {page} in a browser: the report as a page")
    say(f"  export PAD_DATABASE_URL=duckdb:///{NAME}.duckdb, then")
    for arguments in tries:
        say(f"    {name} {arguments}")
    say(f"  make demo DEMO_PATHS='../one ../another' brings more; rm {NAME}.duckdb begins anew")


def title(text: str) -> None:
    """Print a heading."""
    console.print()
    console.print(Text(text, style="bold"))


def say(text: str, strong: str = "") -> None:
    """Print a line in which one word is strong."""
    line = Text(text)
    line.highlight_words([strong] if strong else [], "bold")
    console.print(line)


def paths_of(given: str) -> Iterable[Path]:
    """Return the folders that DEMO_PATHS names."""
    return (Path(each).expanduser() for each in shlex.split(given.replace(os.pathsep, " ")))


if __name__ == "__main__":
    try:
        andamios_orm.run(main([ROOT, *paths_of(os.environ.get("DEMO_PATHS", ""))]))
    except AndamiosError as error:
        sys.exit(f"{error}\nrm {NAME}.duckdb and make demo begin anew")
