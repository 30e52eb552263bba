"""Check all types strictly, one run for each tree whose modules may share names.

What users see of the packages is checked a second time, by pyright.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [path for path in sorted((ROOT / "packages").glob("*/src")) if path.is_dir()]


def main() -> int:
    """Run both checkers and return 1 if any tree has an error."""
    faulty = [base for base, paths in trees() if check(base, paths)]
    return 1 if check_as_pyright() or faulty else 0


def trees() -> list[tuple[Path, list[str]]]:
    """Return each base of module names with the paths to check under it."""
    found = [(source.parent, ["src", "tests"]) for source in SOURCES]
    found.extend((path.parent, [path.name]) for path in sorted(ROOT.glob("packages/*/*.py")))
    found.append((ROOT, ["tests", "benchmarks", "conftest.py"]))
    found.append((ROOT / "scripts", ["."]))
    found.append((ROOT / "docs", ["."]))
    found.extend((path.parent, [path.name]) for path in sorted(ROOT.glob("examples/**/*.py")))
    return merged(found)


def merged(found: list[tuple[Path, list[str]]]) -> list[tuple[Path, list[str]]]:
    """Return ``found`` with one entry for each base, without paths that hold no module."""
    bases: dict[Path, list[str]] = {}
    for base, paths in found:
        for path in paths:
            target = base / path
            if target.is_file() or any(target.rglob("*.py")):
                bases.setdefault(base, []).append(path)
    return list(bases.items())


def check(base: Path, paths: list[str]) -> bool:
    """Return whether mypy finds an error in ``paths`` under ``base``."""
    name = str(base.relative_to(ROOT))
    print(f"{name}: {' '.join(paths)}", flush=True)
    command = [
        sys.executable,
        "-m",
        "mypy",
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--cache-dir={ROOT / '.cache' / 'mypy' / name.replace('/', '-')}",
        *paths,
    ]
    search = os.pathsep.join(str(path) for path in (*SOURCES, base))
    finished = subprocess.run(
        command, cwd=base, check=False, env={**os.environ, "MYPYPATH": search}
    )
    return finished.returncode != 0


def check_as_pyright() -> bool:
    """Return whether pyright finds an error in what ``pyproject.toml`` names."""
    print("pyright: tests/typing", flush=True)
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    return subprocess.run(command, cwd=ROOT, check=False).returncode != 0


if __name__ == "__main__":
    sys.exit(main())
