"""The contract about layers holds, and would notice an import that goes up."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the packages in ``folder`` against the contracts of this repository."""
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Path:
    """Return a folder with empty packages under the contracts of this repository."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    for package in ("andamios_orm", "project_architect_db", "axai_pg"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for module in ("dialect", "core", "web", "testing", "bulk", "maintenance"):
        (tmp_path / "andamios_orm" / f"{module}.py").touch()
    for module in ("core", "models", "repositories"):
        (tmp_path / "project_architect_db" / f"{module}.py").touch()
    (tmp_path / "axai_pg" / "data").mkdir()
    for module in ("migrations", "utils", "data/__init__", "data/models", "data/repositories"):
        (tmp_path / "axai_pg" / f"{module}.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("andamios_orm/core", "andamios_orm.dialect"),
        ("andamios_orm/bulk", "andamios_orm.maintenance"),
        ("axai_pg/__init__", "andamios_orm.core"),
        ("project_architect_db/repositories", "project_architect_db.models"),
        ("axai_pg/data/repositories", "axai_pg.data.models"),
    ],
)
@pytest.mark.slow
def test_an_import_that_goes_down_is_kept(tree: Path, module: str, imported: str) -> None:
    (tree / f"{module}.py").write_text(f"import {imported}\n", encoding="utf-8")

    outcome = lint_imports(tree)

    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("andamios_orm/dialect", "andamios_orm.core"),
        ("andamios_orm/web", "andamios_orm.testing"),
        ("andamios_orm/core", "axai_pg"),
        ("axai_pg/__init__", "project_architect_db"),
        ("project_architect_db/models", "project_architect_db.repositories"),
        ("axai_pg/migrations", "axai_pg.utils"),
        ("axai_pg/data/models", "axai_pg.data.repositories"),
    ],
)
@pytest.mark.slow
def test_an_import_that_goes_up_or_across_is_refused(
    tree: Path, module: str, imported: str
) -> None:
    (tree / f"{module}.py").write_text(f"import {imported}\n", encoding="utf-8")

    outcome = lint_imports(tree)

    assert outcome.returncode == 1, outcome.stdout
    assert "BROKEN" in outcome.stdout


@pytest.mark.slow
def test_a_module_outside_the_layers_is_refused(tree: Path) -> None:
    (tree / "andamios_orm" / "utils.py").touch()

    assert lint_imports(tree).returncode == 1


# Asking which version of something is there. Its name in a message is no such question.
VERSION_ASKED = re.compile(
    r"version_info|__version__ *(?:[<>]|==|!=)|importlib\.metadata|from packaging"
)


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "docs/explanation/project-architect.md"])
def test_the_layers_of_project_architect_db_are_drawn_as_they_are(root: Path, page: str) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["name"] == "The layers of project_architect_db"
    )
    package = root / "packages" / "project-architect-db" / "src" / "project_architect_db"
    text = (root / page).read_text(encoding="utf-8")
    drawings = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (drawing,) = (each for each in drawings if "importers" in each)

    drawn = [
        set(re.findall(r"(?:^| [|:] ) *(\w+)(?= )", line))  # a star is behind what is not there
        for line in drawing.splitlines()
    ]

    there = [
        {name for name in re.findall(r"\w+", layer) if (package / name).is_dir()}
        for layer in layers
    ]
    assert [each for each in drawn if each] == there


def test_only_one_module_knows_the_versions_of_other_libraries(root: Path) -> None:
    asking = [
        path.name
        for path in root.glob("packages/*/src/**/*.py")
        if path.name != "_compat.py" and VERSION_ASKED.search(path.read_text(encoding="utf-8"))
    ]

    assert asking == []


@pytest.mark.parametrize(
    "line",
    [
        "if sys.version_info < (3, 12):",
        "sqlalchemy.__version__ >= '2.1'",
        "importlib.metadata.version",
    ],
)
def test_a_question_for_a_version_is_seen(line: str) -> None:
    assert VERSION_ASKED.search(line)
