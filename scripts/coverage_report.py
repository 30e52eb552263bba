"""Report the coverage of every test run whose data is there, and fail below the bound."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Combine a copy of the data in the folder named, and report it."""
    folder = Path(sys.argv[1])
    runs = sorted(path for path in folder.glob("*") if path.suffix != ".combined")
    if not runs:
        print(f"no coverage data in {folder}: run 'make test' first", file=sys.stderr)
        return 1
    print("coverage of:", ", ".join(run.name for run in runs), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        combined = str(Path(scratch) / "combined")
        copies = [str(shutil.copy(run, scratch)) for run in runs]
        coverage = [sys.executable, "-m", "coverage"]
        data = f"--data-file={combined}"
        subprocess.run([*coverage, "combine", "--quiet", data, *copies], check=True)
        return subprocess.run([*coverage, "report", data], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
