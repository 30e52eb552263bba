"""Measure the benchmarks of all packages and print the report."""

import sys

from benchmarks.program import main

if __name__ == "__main__":
    sys.exit(main())
