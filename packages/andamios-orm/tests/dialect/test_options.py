from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.options import (
    DatabaseOptions,
    default_threads,
    parse_options,
    unknown_setting,
    usable_cores,
)
from andamios_orm.exceptions import ConfigurationError, MissingExtra

pytestmark = [pytest.mark.unit, pytest.mark.db]


def test_defaults_leave_a_core_to_the_loop() -> None:
    options = parse_options()

    assert options == DatabaseOptions()
    assert options.threads == default_threads() == max(1, usable_cores() - 1)
    assert options.hardened
    assert not options.read_only
    assert options.statement_timeout == 300
    assert options.write_timeout == 30
    assert options.running_statements >= 2


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_only_the_cores_of_this_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})

    assert usable_cores() == 4
    assert default_threads() == 3


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"threads": "4"}, "threads", 4),
        ({"threads": 4}, "threads", 4),
        ({"running_statements": "3"}, "running_statements", 3),
        ({"read_only": "true"}, "read_only", True),
        ({"read_only": True}, "read_only", True),
        ({"read_only": "1"}, "read_only", True),
        ({"read_only": "Off"}, "read_only", False),
        ({"hardened": "no"}, "hardened", False),
        ({"hardened": False}, "hardened", False),
        ({"allow": "copy, attach"}, "allow", frozenset({"COPY", "ATTACH"})),
        ({"allow": ["COPY"]}, "allow", frozenset({"COPY"})),
        ({"extensions": "fts,vss,"}, "extensions", ("fts", "vss")),
        ({"extensions": ("fts",)}, "extensions", ("fts",)),
        ({"foreign_keys": "none"}, "foreign_keys", "none"),
        ({"statement_timeout": "2.5"}, "statement_timeout", 2.5),
        ({"statement_timeout": None}, "statement_timeout", None),
        ({"statement_timeout": "none"}, "statement_timeout", None),
        ({"write_timeout": "OFF"}, "write_timeout", None),
        ({"write_timeout": 1}, "write_timeout", 1.0),
        ({"memory_limit": "2GB"}, "settings", (("memory_limit", "2GB"),)),
        ({"Memory_Limit": "2GB"}, "settings", (("memory_limit", "2GB"),)),
        ({"preserve_insertion_order": True}, "settings", (("preserve_insertion_order", "true"),)),
        ({"temp_directory": Path("spill")}, "settings", (("temp_directory", "spill"),)),
        ({"pragma": "threads=4"}, "threads", 4),
        ({"pragma": " threads = 4; memory_limit='2GB';"}, "settings", (("memory_limit", "2GB"),)),
        ({"pragma": ["threads=4", "memory_limit=2GB"]}, "threads", 4),
        ({"pragma": {"threads": 4}}, "threads", 4),
        ({"config": {"threads": 4, "memory_limit": "1GB"}}, "threads", 4),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, frozenset) else value),
)
def test_an_option_is_read_from_text_or_value(
    given: dict[str, Any], name: str, expected: object
) -> None:
    options = parse_options(given)

    assert getattr(options, name) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threads": "many"}, "threads='many' is not a whole number of at least 1"),
        ({"threads": 0}, "threads=0 is not a whole number"),
        ({"threads": 1.5}, "threads=1.5 is not a whole number"),
        ({"running_statements": -1}, "running_statements=-1"),
        ({"read_only": "perhaps"}, "read_only='perhaps' is neither true nor false"),
        ({"allow": "select,drop"}, "allow=DROP, SELECT cannot be allowed; can be: ATTACH, COPY"),
        ({"foreign_keys": "some"}, "foreign_keys='some' is not one of physical, none"),
        ({"statement_timeout": "soon"}, "statement_timeout='soon' is not a time in seconds"),
        ({"statement_timeout": 0}, "above 0, nor 'none'"),
        ({"write_timeout": -1}, "write_timeout=-1"),
        ({"write_timeout": "inf"}, "write_timeout='inf'"),
        ({"pragma": "threads"}, "pragma 'threads' is not of the form 'threads=4'"),
        ({"pragma": 4}, "pragma=4 is not of the form"),
        ({"config": "threads=4"}, "config='threads=4' is not a dict"),
        ({"memory_limit": ["2GB"]}, r"memory_limit=\['2GB'\] is not a value"),
        ({"memory limit": "2GB"}, "unknown option 'memory limit'"),
        ({"x; DROP TABLE t": "1"}, "unknown option"),
    ],
    ids=str,
)
def test_an_option_that_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_options(given)


def test_a_later_source_overrides_an_earlier_one() -> None:
    options = parse_options({"threads": 2, "read_only": "true"}, {"threads": 3}, {})

    assert (options.threads, options.read_only) == (3, True)


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ({}, {}, None),
        ({"threads": 2}, {}, None),
        ({"threads": 2}, {"threads": 2}, None),
        ({"threads": 2}, {"threads": 3}, "threads"),
        ({"memory_limit": "1GB"}, {"memory_limit": "1GB"}, None),
        ({"memory_limit": "1GB"}, {"memory_limit": "2GB"}, "memory_limit"),
        ({"memory_limit": "1GB"}, {"temp_directory": "x"}, "temp_directory"),
        ({}, {"hardened": False}, "hardened"),
        ({"hardened": False}, {}, "hardened"),
        ({"allow": "COPY"}, {}, "allow"),
        ({"statement_timeout": 1}, {"statement_timeout": 2}, None),
        ({"write_timeout": 1}, {"write_timeout": 2}, None),
    ],
    ids=str,
)
def test_two_engines_must_agree_on_what_they_share(
    first: dict[str, Any], second: dict[str, Any], difference: str | None
) -> None:
    assert parse_options(second).conflict_with(parse_options(first)) == difference


@pytest.mark.parametrize(
    ("name", "meant"),
    [("memry_limit", "memory_limit"), ("thread", "threads"), ("readonly", "read_only")],
)
def test_an_unknown_option_is_answered_with_the_likely_one(name: str, meant: str) -> None:
    error = unknown_setting(name, ["memory_limit", "access_mode"])

    assert f"unknown option {name!r}; did you mean" in str(error)
    assert meant in str(error)


def test_an_unknown_option_that_resembles_nothing_lists_what_is_known() -> None:
    error = unknown_setting("zzz", [])

    assert "did you mean" not in str(error)
    assert "statement_timeout" in str(error)


# ---- all the ways to give them -----------------------------------------------

SHOW = text("SELECT current_setting('threads'), current_setting('memory_limit')")

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "the URL": ("?threads=3&memory_limit=2GB", {}),
    "connect_args": ("", {"connect_args": {"threads": 3, "memory_limit": "2GB"}}),
    "a pragma": ("", {"connect_args": {"pragma": "threads=3;memory_limit=2GB"}}),
    "a pragma and a setting": (
        "",
        {"connect_args": {"pragma": "threads=3", "memory_limit": "2GB"}},
    ),
    "a config": ("", {"connect_args": {"config": {"threads": 3, "memory_limit": "2GB"}}}),
    "arguments": ("?memory_limit=2GB", {"threads": 3}),
    "arguments before the URL": ("?threads=2&memory_limit=2GB", {"threads": 3}),
}


@pytest.mark.parametrize(("query", "arguments"), WAYS.values(), ids=list(WAYS))
async def test_options_reach_duckdb_by_every_way(query: str, arguments: dict[str, Any]) -> None:
    engine = create_async_engine(f"duckdb:///:memory:{query}", **arguments)
    async with engine.connect() as connection:
        found = (await connection.execute(SHOW)).one()
    await engine.dispose()
    blocking = create_engine(f"duckdb:///:memory:{query}", **arguments)
    with blocking.connect() as same:
        also = same.execute(SHOW).one()
    blocking.dispose()

    assert tuple(found) == tuple(also) == (3, "1.8 GiB")


ARGUMENTS: dict[str, Any] = {
    "threads": 2,
    "read_only": False,
    "hardened": False,
    "allow": "COPY",
    "extensions": [],
    "foreign_keys": "none",
    "statement_timeout": None,
    "write_timeout": 5,
    "running_statements": 3,
}


@pytest.mark.parametrize(("name", "value"), ARGUMENTS.items())
def test_every_option_is_an_argument_of_create_engine(name: str, value: object) -> None:
    engine = create_engine("duckdb:///:memory:", **{name: value})
    dialect: Any = engine.dialect

    assert getattr(dialect.options, name) == getattr(parse_options({name: value}), name)


def test_the_arguments_are_all_the_options_there_are() -> None:
    assert set(ARGUMENTS) == set(DatabaseOptions.__slots__) - {"settings", "given"}


@pytest.mark.parametrize(
    ("query", "connect_args", "message"),
    [
        ("?memry_limit=2GB", {}, "did you mean memory_limit"),
        ("?tread=2", {}, "unknown option 'tread'; did you mean .*threads"),
        ("", {"statement_timeuot": 3}, "did you mean statement_timeout"),
        ("?memory_limit=much", {}, "memory_limit='much'"),
        ("?access_mode=read_only", {}, "access_mode='read_only'"),
    ],
)
async def test_a_wrong_setting_is_named_when_the_database_is_opened(
    query: str, connect_args: dict[str, Any], message: str
) -> None:
    engine = create_async_engine(f"duckdb:///:memory:{query}", connect_args=connect_args)

    with pytest.raises(ConfigurationError, match=message):
        async with engine.connect():
            pass
    await engine.dispose()


def test_a_wrong_value_in_the_url_is_named_before_anything_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="threads='x'"):
        create_async_engine("duckdb:///:memory:?threads=x")


@pytest.mark.parametrize(
    "url", ["duckdb://server/f.duckdb", "duckdb://user:secret@/f", "duckdb://:5432/f"]
)
def test_a_url_that_names_a_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DuckDB is a file") as caught:
        create_engine(url)

    assert "secret" not in str(caught.value)


async def test_an_extension_that_is_not_installed_is_named() -> None:
    engine = create_async_engine("duckdb:///:memory:?extensions=no_such_extension")

    with pytest.raises(MissingExtra, match="pip install duckdb-extension-no-such-extension=="):
        async with engine.connect():
            pass
    await engine.dispose()
