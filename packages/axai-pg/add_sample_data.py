#!/usr/bin/env python3
"""Load two small organisations, Acme and Globex, into the database that axai-pg names here.

It is made if it is not there yet; what is there stays as it is.
"""

import argparse
import os
import sys
from pathlib import Path

INSTALLED = Path(__file__).resolve().parent.parent.parent / ".venv" / "bin"


def main() -> None:
    """Become the command that does it."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ["PATH"] += f"{os.pathsep}{INSTALLED}"
    try:
        os.execvp("axai-pg", ["axai-pg", "init", "--sample-data", "--quiet"])
    except FileNotFoundError:
        program = Path(__file__).name
        sys.exit(f"{program}: there is no command axai-pg: call make setup in the repository")


if __name__ == "__main__":
    main()
