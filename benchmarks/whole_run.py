"""One whole run of one module, in a process of its own; prints its values as JSON."""

from __future__ import annotations

import json
import sys

from benchmarks.measure import FULL, QUICK
from benchmarks.suites import imported

__all__ = ["main"]


def main(module: str, size: str) -> None:
    """Run ``module`` once and print what it measured."""
    print(json.dumps(imported(module).whole_run(QUICK if size == "quick" else FULL)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
