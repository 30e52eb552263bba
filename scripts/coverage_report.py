"""Report the coverage of every test run whose data is there, and fail below the bound."""

import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Combine the data in the folder named, leaving it as it is, and report it."""
    parts = sorted(Path(sys.argv[1]).glob("*.*"))
    if not parts and sys.version_info < (3, 12):
        print("coverage is not measured on Python 3.11: see docs/howto/run-tests.md")
        return 0
    if not parts:
        print("no coverage data: run 'make test' first", file=sys.stderr)
        return 1
    runs = sorted({part.name.partition(".")[0] for part in parts})
    print("coverage of:", ", ".join(runs), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        data = f"--data-file={Path(scratch) / 'combined'}"
        coverage = [sys.executable, "-m", "coverage"]
        names = [str(part) for part in parts]
        subprocess.run([*coverage, "combine", "--quiet", "--keep", data, *names], check=True)
        return subprocess.run([*coverage, "report", data], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
