"""Measure the benchmarks of project_architect_db and print the report."""

import sys

from benchmarks.program import main
from benchmarks.suites import PROJECT_ARCHITECT_DB

if __name__ == "__main__":
    sys.exit(main([PROJECT_ARCHITECT_DB]))
