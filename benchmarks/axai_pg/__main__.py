"""Measure the benchmarks of axai_pg and print the report."""

import sys

from benchmarks.program import main
from benchmarks.suites import AXAI_PG

if __name__ == "__main__":
    sys.exit(main([AXAI_PG]))
