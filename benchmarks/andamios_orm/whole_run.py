"""One whole run of one module, in a process of its own; prints its values as JSON."""

from __future__ import annotations

import importlib
import json
import sys

from benchmarks.andamios_orm.measure import FULL, QUICK

__all__ = ["main"]


def main(module: str, size: str) -> None:
    """Run ``module`` once and print what it measured."""
    found = importlib.import_module(f"benchmarks.andamios_orm.{module}")
    print(json.dumps(found.whole_run(QUICK if size == "quick" else FULL)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
