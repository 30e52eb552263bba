"""The packages install alone, in an empty environment: built, and for development."""

import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from axai_pg.migrations import read_plan

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

Run = Callable[..., str]


def test_a_wheel_installs_alone_and_imports(
    package: str, run: Run, install_wheel: Run, tmp_path: Path
) -> None:
    module = package.replace("-", "_")
    python = install_wheel(package)
    script = f"import {module}; print({module}.__version__, {module}.__file__)"
    said, file = run(python, "-W", "error", "-I", "-c", script, cwd=tmp_path).split()

    assert said == version(package)
    assert file.startswith(str(Path(python).parent.parent))


def test_a_package_installs_for_development(
    package: str, run: Run, install: Run, root: Path, tmp_path: Path
) -> None:
    module = package.replace("-", "_")

    python = install("--editable", f"{root / 'packages' / package}[dev]")
    said = run(python, "-c", f"import {module}, pytest; print({module}.__file__)", cwd=tmp_path)

    assert said.startswith(str(root))


def test_a_wheel_holds_the_package_and_nothing_else(package: str, wheels: Path) -> None:
    module = package.replace("-", "_")
    beside = {
        "andamios-orm": {"andamios_command", "andamios_pytest"},
        "axai-pg": {"axai_command"},
        "project-architect-db": {"project_architect_command"},
    }.get(package, set())
    (wheel,) = wheels.glob(f"{module}-*.whl")

    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()

    assert {file.partition("/")[0] for file in files} == {
        module,
        f"{module}-{version(package)}.dist-info",
        *beside,
    }
    assert f"{module}/py.typed" in files
    assert f"{module}-{version(package)}.dist-info/licenses/LICENSE" in files


def test_the_wheel_of_axai_holds_the_plan_and_every_script(wheels: Path) -> None:
    (wheel,) = wheels.glob("axai_pg-*.whl")
    changes = [change.name for change in read_plan().changes]
    scripts = {f"{kind}/{name}.sql" for kind in ("deploy", "revert", "verify") for name in changes}

    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        planned = archive.read("axai_pg/migrations/sqitch.plan").decode()

    assert changes
    assert all(name in planned for name in changes)
    assert {
        "axai_pg/migrations/sqitch.conf",
        "axai_pg/migrations/MIGRATION_GUIDE.md",
        "axai_pg/sql/schema/schema.sql",
        *(f"axai_pg/migrations/{script}" for script in scripts),
    } <= files


def test_a_source_distribution_is_built_beside_the_wheel(package: str, wheels: Path) -> None:
    assert list(wheels.glob(f"{package.replace('-', '_')}-*.tar.gz"))


ELSEWHERE = """
from axai_pg import Organization
from axai_pg.testing.fixtures import axai_db_session

def test_of_somebody_else(axai_db_session):
    axai_db_session.add(Organization(name="Test"))
    axai_db_session.commit()
    assert axai_db_session.query(Organization).count() == 1
"""


@pytest.mark.db
def test_the_fixtures_of_axai_pg_bring_a_server_to_an_empty_project(
    run: Run, install: Run, wheels: Path, tmp_path: Path
) -> None:
    (wheel,) = wheels.glob("axai_pg-*.whl")
    project = tmp_path / "project"
    project.mkdir()
    (project / "test_elsewhere.py").write_text(ELSEWHERE, encoding="utf-8")

    python = install(f"{wheel}[testing]")
    said = run(
        *("env", "-u", "ANDAMIOS_TEST_POSTGRES_URL", "-u", "POSTGRES_HOST"),
        *("ANDAMIOS_TEST_POSTGRES=embedded", python, "-m", "pytest"),
        cwd=project,
    )

    assert "1 passed" in said
    assert "(embedded)" in said
