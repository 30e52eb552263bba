"""The packages install alone, in an empty environment: built, and for development."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGES = ("andamios-orm", "axai-pg", "project-architect-db")
UV = str(Path(sys.executable).with_name("uv"))


def run(*command: str, cwd: Path) -> str:
    """Return what ``command`` prints; fail with all of it if it fails."""
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def empty_environment(folder: Path) -> str:
    """Return the Python of a new environment in ``folder`` that holds nothing."""
    environment = folder / "environment"
    run(UV, "venv", "--quiet", "--python", sys.executable, str(environment), cwd=folder)
    return str(environment / "bin" / "python")


@pytest.fixture(scope="module")
def wheels(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of every package, built from its sdist."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in PACKAGES:
        run(
            *(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)),
            str(root / "packages" / name),
            cwd=folder,
        )
    return folder


@pytest.fixture(scope="module")
def constraints(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that pins what the lock pins, without the hashes of our own wheels."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^\s;\\]*(?: ; [^\\\n]*)?", lock, re.MULTILINE)
    path = tmp_path_factory.mktemp("lock") / "constraints.txt"
    path.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_installs_alone_and_imports(
    name: str, wheels: Path, constraints: Path, tmp_path: Path
) -> None:
    module = name.replace("-", "_")
    python = empty_environment(tmp_path)
    (wheel,) = wheels.glob(f"{module}-*.whl")

    run(
        *(UV, "pip", "install", "--quiet", "--python", python, "--find-links", str(wheels)),
        *("--constraints", str(constraints), str(wheel)),
        cwd=tmp_path,
    )
    script = f"import {module}; print({module}.__version__, {module}.__file__)"
    said, file = run(python, "-W", "error", "-I", "-c", script, cwd=tmp_path).split()

    assert said == version(name)
    assert file.startswith(str(Path(python).parent.parent))


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_installs_for_development(
    name: str, wheels: Path, constraints: Path, root: Path, tmp_path: Path
) -> None:
    module = name.replace("-", "_")
    python = empty_environment(tmp_path)

    run(
        *(UV, "pip", "install", "--quiet", "--python", python, "--find-links", str(wheels)),
        *("--constraints", str(constraints), "--editable", f"{root / 'packages' / name}[dev]"),
        cwd=tmp_path,
    )
    said = run(python, "-c", f"import {module}, pytest; print({module}.__file__)", cwd=tmp_path)

    assert said.startswith(str(root))


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_holds_the_package_and_nothing_else(name: str, wheels: Path) -> None:
    module = name.replace("-", "_")
    (wheel,) = wheels.glob(f"{module}-*.whl")

    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()

    assert {file.partition("/")[0] for file in files} == {
        module,
        f"{module}-{version(name)}.dist-info",
    }
    assert f"{module}/py.typed" in files
    assert f"{module}-{version(name)}.dist-info/licenses/LICENSE" in files


@pytest.mark.parametrize("name", PACKAGES)
def test_a_source_distribution_is_built_beside_the_wheel(name: str, wheels: Path) -> None:
    assert list(wheels.glob(f"{name.replace('-', '_')}-*.tar.gz"))
