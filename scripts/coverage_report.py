"""Report the coverage of every test run whose data is there, and fail below the bound.

What is left out of the count is counted as well, and has to say why.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PRAGMA = re.compile(r"# pragma: no (?:cover|branch)(?P<reason> - \S.*)?")


class LeftOut(NamedTuple):
    """A line that coverage does not count, and why."""

    place: str
    reason: str


def main() -> int:
    """Report what is left out, then what is covered, and return the worse status."""
    found = left_out(ROOT)
    print(f"no cover: {len(found)} lines in all packages")
    unexplained = [line.place for line in found if not line.reason]
    for place in unexplained:
        print(f"{place}: say why after 'pragma: no cover - '", file=sys.stderr)
    return covered() or (1 if unexplained else 0)


def left_out(root: Path) -> list[LeftOut]:
    """Return the lines that the packages under ``root`` leave out of the count."""
    return [
        LeftOut(f"{path.relative_to(root)}:{number}", (match["reason"] or "").removeprefix(" - "))
        for path in sorted(root.glob("packages/*/src/**/*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := PRAGMA.search(line))
    ]


def covered() -> int:
    """Combine the data in the folder named, leaving it as it is, and report it."""
    parts = sorted(Path(sys.argv[1]).glob("*.*"))
    if not parts and sys.version_info < (3, 12):
        print("coverage is not measured on Python 3.11: see docs/howto/run-tests.md")
        return 0
    if not parts:
        print("no coverage data: run 'make test slow MEASURE=1' first", file=sys.stderr)
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
