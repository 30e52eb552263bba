"""The PostgreSQL of the tests, for a person: ``python -m andamios_orm.testing.serving``."""

from __future__ import annotations

import os
import signal
import threading

from andamios_orm.testing.postgres import PostgresSettings
from andamios_orm.testing.run import Run

__all__ = ["serve"]


def serve() -> None:
    """Start the server, print its URL, and keep it until SIGINT or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    run = Run.create()
    try:
        print(run.server(PostgresSettings.from_environment(os.environ)).url, flush=True)  # noqa: T201 - it is what is asked for
        stopped.wait()
    finally:
        run.close()


if __name__ == "__main__":
    serve()
