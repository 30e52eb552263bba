"""Every example runs as its reader runs it, says what it shows, and leaves nothing behind."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(
    path for path in ROOT.glob("examples/**/*.py") if not path.name.startswith(("_", "conftest"))
)


def example_name(path: Path) -> str:
    """Return the path of an example as a reader writes it."""
    return path.relative_to(ROOT / "examples").as_posix()


@pytest.mark.e2e
@pytest.mark.db
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("example", EXAMPLES, ids=example_name)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.strip(), "an example prints what it shows"
    assert list(tmp_path.iterdir()) == [], "an example cleans up after itself"


@pytest.mark.unit
@pytest.mark.parametrize("example", EXAMPLES, ids=example_name)
def test_an_example_says_what_it_shows(example: Path) -> None:
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8")))

    assert docstring, "an example begins with a docstring"


@pytest.mark.unit
def test_examples_lie_in_the_folder_of_a_package() -> None:
    packages = {path.name for path in ROOT.glob("packages/*/src/*") if path.is_dir()}

    folders = {path.relative_to(ROOT / "examples").parts[0] for path in EXAMPLES}

    assert folders <= packages


PAGES = {
    "andamios_orm": "examples.md",
    "axai_pg": "axai-pg-examples.md",
    "project_architect_db": "project-architect-examples.md",
}


@pytest.mark.unit
@pytest.mark.parametrize(
    "package", sorted({path.relative_to(ROOT / "examples").parts[0] for path in EXAMPLES})
)
def test_the_page_of_a_package_lists_its_examples(package: str) -> None:
    page = (ROOT / "docs" / "reference" / PAGES[package]).read_text(encoding="utf-8")
    names = [
        path.relative_to(ROOT / "examples" / package).as_posix()
        for path in EXAMPLES
        if package in path.parts
    ]

    rows = [f"[{name}](../../examples/{package}/{name}) |" for name in names]

    assert [row for row in rows if row not in page] == []
    assert page.count("](../../examples/") == len(names)


# A package, and the modules whose public names its examples have to use.
SHOWN = {"andamios_orm": ("andamios_orm", "andamios_orm.core", "andamios_orm.repositories")}


def used_names(source: str) -> set[str]:
    """Return the names that ``source`` uses, beyond importing them."""
    used: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                used.add(name)
    return used


@pytest.mark.integration
@pytest.mark.parametrize(
    ("package", "module"), [(package, module) for package in SHOWN for module in SHOWN[package]]
)
def test_every_public_name_is_used_by_an_example(package: str, module: str) -> None:
    shown: set[str] = set()
    for path in ROOT.glob(f"examples/{package}/**/*.py"):
        shown |= used_names(path.read_text(encoding="utf-8"))

    assert set(importlib.import_module(module).__all__) - shown == set()


@pytest.mark.unit
def test_an_import_alone_is_no_use() -> None:
    assert used_names("from a import b, c\nc()\nd.e = 1\n") == {"c", "d", "e"}
