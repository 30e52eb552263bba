"""A PostgreSQL to try things on is there until it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.slow]

Call: TypeAlias = "Callable[..., Any]"
ON_THE_SERVER = "ANDAMIOS_TEST_POSTGRES_URL"


def organizations(url: str) -> int:
    """Return how many organisations there are."""
    with psycopg.connect(url) as connection:
        [(found,)] = connection.execute("SELECT count(*) FROM organizations").fetchall()
    return int(found)


def test_a_process_serves_until_it_is_interrupted(shared_url: str) -> None:
    served = subprocess.Popen(
        [sys.executable, "-c", "from axai_command import main; main(['serve-test-db', '-q'])"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, ON_THE_SERVER: shared_url},
    )
    assert served.stdout is not None
    url = served.stdout.readline().strip()

    there = organizations(url)
    served.send_signal(signal.SIGINT)

    assert there == 0
    assert served.wait() == 0
    served.stdout.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        organizations(url)


def test_samples_are_loaded_and_the_next_command_is_named(
    call: Call, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ON_THE_SERVER, shared_url)
    counted: list[int] = []

    def look(_context: object, name: str, rows: list[dict[str, str]], _text: object) -> None:
        assert name == "server"
        counted.append(organizations(rows[0]["url"]))
        threading.Thread(target=os.kill, args=[os.getpid(), signal.SIGTERM]).start()

    monkeypatch.setattr("andamios_orm.cli.running.Context.show", look)

    done = call("serve-test-db", "--sample-data")

    assert done.code == 0
    assert counted == [2]
    assert "; Ctrl-C ends it" in done.err
