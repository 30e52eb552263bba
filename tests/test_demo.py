"""``make demo`` shows real projects, and goes on where there is a database already."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "scripts" / "demo.py"


def run(folder: Path, *, script: Path = DEMO, paths: str = "") -> str:
    """Return what the demo prints in a folder."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={**os.environ, "DEMO_PATHS": paths, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=280,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def clone(folder: Path) -> Path:
    """Return a small clone in a folder with a blank in its name."""
    path = folder / "a shop"
    path.mkdir()
    (path / "README.md").write_text("# Shop\n\nSells scaffolds; an update is never lost.\n")
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", "-C", str(path), *who, *arguments], check=True, capture_output=True)
    return path


def test_the_demo_shows_real_projects_and_goes_on(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    there = [clone(tmp_path), tmp_path / "nowhere"]

    first = run(work, paths=f"'{there[0]}'{os.pathsep}{there[1]}")
    second = run(work)

    assert re.search(r"a shop: 1 commits, \d+ conversations, 1 documents", first)
    assert "nowhere: " in first
    assert "300 sample projects around it" in first
    assert "sample data; totals contain them." in first
    assert "Search: " in first
    assert "The last 30 days" in first
    assert "Done in " in first
    assert "300 sample projects are there already" in second
    assert "which was there already" in second
    page = (work / "demo.html").read_text(encoding="utf-8")
    assert "a shop" in page
    assert '<span class="tag">sample</span>' in page
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"demo.duckdb", "demo.html"} <= {each.name for each in work.iterdir()}
    assert {"*.duckdb", "*.duckdb.search/", "/demo.html"} <= set(ignored)


def test_a_folder_without_history_is_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "unpacked" / "scripts" / "demo.py"
    script.parent.mkdir(parents=True)
    script.write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")

    said = run(tmp_path, script=script)

    assert "this folder is here without its history" in said
    assert "300 sample projects around it" in said
    assert "All of this is sample data." in said
    assert re.search(r"Search: .* \([1-9]\d* hits\)", said)
