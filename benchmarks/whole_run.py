"""One whole run of one module, in a process of its own; prints its values as JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from benchmarks.measure import FULL, QUICK
from benchmarks.suites import imported

__all__ = ["main"]


def main(module: str, *, quick: bool, documents: int | None) -> None:
    """Run ``module`` once and print what it measured."""
    scale = QUICK if quick else FULL
    if documents is not None:
        scale = replace(scale, documents=documents)
    print(json.dumps(imported(module).whole_run(scale)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--documents", type=int)
    main(**vars(parser.parse_args()))
