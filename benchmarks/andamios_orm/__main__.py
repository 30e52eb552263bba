"""Measure the benchmarks of andamios_orm and print the report."""

import sys

from benchmarks.program import main
from benchmarks.suites import ANDAMIOS_ORM

if __name__ == "__main__":
    sys.exit(main([ANDAMIOS_ORM]))
