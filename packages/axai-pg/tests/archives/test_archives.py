"""An organisation is taken elsewhere, whole and unchanged, or not at all."""

from __future__ import annotations

import json
import os
import tarfile
import threading
import uuid
import zipfile
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from andamios_orm.exceptions import ConfigurationError, NotFound
from axai_pg.archives import (
    Manifest,
    export_organization,
    import_organization,
    verify_archive,
)
from axai_pg.archives.tables import tables
from axai_pg.data.models import Base, Organization, User
from axai_pg.exceptions import OrganizationNotEmpty
from axai_pg.utils.sample_data import ACME, GLOBEX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axai_pg.data.config import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]

Contents: TypeAlias = "Callable[[uuid.UUID], dict[str, list[bytes]]]"
FORMS = ["acme", "acme.zip", "acme.tar.gz"]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_an_organisation_is_copied_row_by_row(
    manager: DatabaseManager, contents: Contents, tmp_path: Path, other: uuid.UUID, form: str
) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / form

    written = export_organization(manager, ACME, target, with_secrets=True)
    read = import_organization(
        manager,
        target,
        org_id=other,
        with_secrets=True,
        progress=lambda *each: told.append(each),
    )

    assert contents(other) == contents(ACME)
    assert read.org_id == other
    assert read.parts == written.parts == verify_archive(target).parts
    assert told[-1] == (written.rows, written.rows)
    assert list(tmp_path.iterdir()) == [target]


def test_every_table_of_organisations_is_written_but_what_was_done() -> None:
    there = {name for name, table in Base.metadata.tables.items() if "org_id" in table.columns}

    assert there - {table.name for table in tables()} == {"audit_log", "audit_seals"}


@pytest.mark.slow
def test_a_row_in_each_table_is_copied(
    manager: DatabaseManager, contents: Contents, tmp_path: Path, other: uuid.UUID
) -> None:
    with manager.system_scope("test") as session:
        [full] = (
            session.connection()
            .exec_driver_sql("SELECT id FROM organizations WHERE name = 'x'")
            .scalars()
        )

    manifest = export_organization(manager, full, tmp_path / "x", with_secrets=True)
    import_organization(manager, tmp_path / "x", org_id=other, with_secrets=True)

    assert all(part.rows == 1 for part in manifest.parts)
    assert contents(other) == contents(full)


@pytest.mark.slow
def test_secrets_are_left_out_unless_they_are_asked_for(
    manager: DatabaseManager, contents: Contents, tmp_path: Path, other: uuid.UUID
) -> None:
    export_organization(manager, ACME, tmp_path / "acme")
    import_organization(manager, tmp_path / "acme", org_id=other)

    users = [json.loads(line) for line in contents(other)["users"]]
    assert "hashed_password" not in (tmp_path / "acme" / "users.ndjson").read_text()
    assert [user["hashed_password"] for user in users] == [None, None]


@pytest.mark.slow
def test_secrets_of_an_archive_are_left_out_unless_they_are_asked_for(
    manager: DatabaseManager, contents: Contents, tmp_path: Path, other: uuid.UUID
) -> None:
    export_organization(manager, ACME, tmp_path / "acme", with_secrets=True)
    with_secrets, without = uuid.uuid4(), other

    import_organization(manager, tmp_path / "acme", org_id=without)
    import_organization(manager, tmp_path / "acme", org_id=with_secrets, with_secrets=True)

    def users(org_id: uuid.UUID) -> list[dict[str, Any]]:
        return [json.loads(line) for line in contents(org_id)["users"]]

    assert [user["hashed_password"] for user in users(with_secrets)] == ["a hash", "a hash"]
    assert users(without) == [{**user, "hashed_password": None} for user in users(with_secrets)]
    assert {**contents(without), "users": []} == {**contents(with_secrets), "users": []}


@pytest.mark.slow
def test_an_organisation_comes_back_after_it_was_deleted(
    manager: DatabaseManager,
    contents: Contents,
    archive: Path,
    tmp_path: Path,
    other: uuid.UUID,
) -> None:
    import_organization(manager, archive, org_id=other)
    before = contents(other)
    export_organization(manager, other, tmp_path / "again")
    with manager.session_scope(org_id=other) as session:
        session.connection().exec_driver_sql("DELETE FROM organizations")

    import_organization(manager, tmp_path / "again")

    assert contents(other) == before


def test_an_organisation_that_is_empty_is_filled_and_keeps_its_name(
    manager: DatabaseManager, archive: Path, other: uuid.UUID
) -> None:
    with manager.session_scope(org_id=other) as session:
        session.add(Organization(id=other, name="Mine"))

    import_organization(manager, archive, org_id=other)

    with manager.session_scope(org_id=other) as session:
        assert session.query(Organization.name).scalar() == "Mine"
        assert session.query(User).count() == 2


def noted(manager: DatabaseManager, org_id: uuid.UUID) -> list[tuple[str, dict[str, Any]]]:
    """Return what the audit log has of archives of an organisation."""
    with manager.system_scope("test") as session:
        found = session.connection().exec_driver_sql(
            "SELECT action, details FROM audit_log "
            f"WHERE action IN ('export', 'import') AND org_id = '{org_id}' ORDER BY id"
        )
        return [(action, details) for action, details in found]


@pytest.mark.slow
def test_both_are_in_the_audit_log(
    manager: DatabaseManager, archive: Path, tmp_path: Path, other: uuid.UUID
) -> None:
    read = import_organization(manager, archive, org_id=other)
    export_organization(manager, other, tmp_path / "again")

    assert verify_archive(archive).administrators == read.administrators == 1
    assert noted(manager, other) == [
        ("import", {"organization": str(ACME), "rows": read.rows, "administrators": 1}),
        ("export", {"archive": True, "begun": True}),
        ("export", {"archive": True, "rows": read.rows}),
    ]


def test_an_export_that_is_broken_off_is_in_the_audit_log(
    manager: DatabaseManager, archive: Path, tmp_path: Path, other: uuid.UUID
) -> None:
    import_organization(manager, archive, org_id=other)

    def stop(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        export_organization(manager, other, tmp_path / "again", progress=stop)

    assert noted(manager, other)[1:] == [("export", {"archive": True, "begun": True})]


def test_an_archive_has_no_name_unless_its_export_is_noted(
    manager: DatabaseManager, tmp_path: Path
) -> None:
    commits = []

    def fail_at_the_second(_session: Session) -> None:
        commits.append([path.suffix for path in tmp_path.iterdir()])
        if len(commits) > 1:
            raise InterruptedError

    event.listen(Session, "before_commit", fail_at_the_second)
    try:
        with pytest.raises(InterruptedError):
            export_organization(manager, ACME, tmp_path / "acme")
    finally:
        event.remove(Session, "before_commit", fail_at_the_second)

    assert commits == [[".part"], [".part"]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_archive_is_of_one_moment(
    manager: DatabaseManager, archive: Path, tmp_path: Path, other: uuid.UUID
) -> None:
    import_organization(manager, archive, org_id=other)

    def add_user(_done: int, _total: int) -> None:
        thread = threading.Thread(target=_add_user, args=[manager, other])
        thread.start()
        thread.join()

    written = export_organization(manager, other, tmp_path / "b", progress=add_user)

    with manager.session_scope(org_id=other) as session:
        assert session.query(User).count() > 2
    assert written.parts == verify_archive(archive).parts


def _add_user(manager: DatabaseManager, org_id: uuid.UUID) -> None:
    name = uuid.uuid4().hex
    with manager.session_scope(org_id=org_id) as session:
        session.connection().exec_driver_sql(
            f"INSERT INTO users (username, email) VALUES ('{name}', '{name}@x')"
        )


def test_an_organisation_with_rows_is_not_mixed_with_others(
    manager: DatabaseManager, archive: Path
) -> None:
    with pytest.raises(OrganizationNotEmpty, match=r"has rows \(\w+: \d\): name the key of a new"):
        import_organization(manager, archive, org_id=GLOBEX)


@pytest.mark.slow
def test_of_two_imports_into_an_empty_organisation_the_second_is_refused(
    manager: DatabaseManager, contents: Contents, archive: Path, other: uuid.UUID
) -> None:
    with manager.session_scope(org_id=other) as session:
        session.add(Organization(id=other, name="Mine"))
    done = []

    def second(_done: int, _total: int) -> None:
        if not threads:
            threads.append(threading.Thread(target=refused))
            threads[0].start()
            _until_somebody_waits(manager, other)

    def refused() -> None:
        with pytest.raises(OrganizationNotEmpty):
            import_organization(manager, archive, org_id=other)
        done.append(True)

    threads: list[threading.Thread] = []
    import_organization(manager, archive, org_id=other, progress=second)
    threads[0].join()

    assert done == [True]
    assert len(contents(other)["users"]) == 2


def _until_somebody_waits(manager: DatabaseManager, org_id: uuid.UUID) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with manager.session_scope(org_id=org_id) as session:
        while not session.connection().exec_driver_sql(waiting).scalar():
            pass


def test_what_cannot_be_written_leaves_nothing(manager: DatabaseManager, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise InterruptedError

    for form in FORMS:
        with pytest.raises(InterruptedError):
            export_organization(manager, ACME, tmp_path / form, progress=stop)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_has_its_name_is_on_the_disk(
    manager: DatabaseManager, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    export_organization(manager, ACME, tmp_path / form)

    files = {path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    folders = [(tmp_path / form).stat().st_ino] if form == "acme" else []
    assert set(synced[: len(files)]) == files
    assert synced[len(files) :] == [*folders, tmp_path.stat().st_ino]


@pytest.mark.parametrize("form", FORMS)
def test_nobody_but_the_owner_may_read_an_archive(
    manager: DatabaseManager, tmp_path: Path, form: str
) -> None:
    modes: set[tuple[bool, int]] = set()

    def look(_done: int, _total: int) -> None:
        modes.update((path.is_dir(), path.stat().st_mode & 0o777) for path in tmp_path.rglob("*"))

    before = os.umask(0o022)
    try:
        export_organization(manager, ACME, tmp_path / form, progress=look)
    finally:
        os.umask(before)
    look(0, 0)

    assert modes == ({(True, 0o700), (False, 0o600)} if form == "acme" else {(False, 0o600)})


@pytest.mark.slow
def test_what_is_unpacked_is_the_owners_as_well(manager: DatabaseManager, tmp_path: Path) -> None:
    export_organization(manager, ACME, tmp_path / "acme.tar.gz")
    export_organization(manager, ACME, tmp_path / "acme.zip")

    with tarfile.open(tmp_path / "acme.tar.gz") as tar, zipfile.ZipFile(tmp_path / "acme.zip") as z:
        found = {entry.mode for entry in tar} | {
            entry.external_attr >> 16 for entry in z.infolist()
        }
    assert {mode & 0o777 for mode in found} == {0o600}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("there", "is there already"),
        ("missing/acme", "there is no folder"),
        ("acme.rar", "says no form of an archive: name a folder, FILE.zip or FILE.tar.gz"),
    ],
)
def test_a_target_that_will_not_do_is_refused(
    manager: DatabaseManager, tmp_path: Path, target: str, said: str
) -> None:
    (tmp_path / "there").mkdir()

    with pytest.raises(ConfigurationError, match=said):
        export_organization(manager, ACME, tmp_path / target)


def test_an_organisation_that_there_is_not_is_not_written(
    manager: DatabaseManager, tmp_path: Path, other: uuid.UUID
) -> None:
    with pytest.raises(NotFound, match=str(other)):
        export_organization(manager, other, tmp_path / "x")


@pytest.mark.parametrize("error", [InterruptedError, BrokenPipeError, RuntimeError])
def test_an_import_that_is_broken_off_leaves_nothing(
    manager: DatabaseManager,
    archive: Path,
    contents: Contents,
    other: uuid.UUID,
    error: type[Exception],
) -> None:
    def stop(_done: int, _total: int) -> None:
        raise error

    with pytest.raises(error):
        import_organization(manager, archive, org_id=other, progress=stop)

    assert not any(contents(other).values())


def test_an_archive_is_read_through_until_somebody_stops_it(
    manager: DatabaseManager,
    archive: Path,
    other: uuid.UUID,
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("axai_pg.archives.reading._EACH", 2)
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        verify_archive(archive, progress=stop)
    with pytest.raises(InterruptedError):
        import_organization(manager, archive, org_id=other, progress=stop)

    rows = verify_archive(archive).rows
    assert told == [(2, rows), (0, rows)]
    assert not any(contents(other).values())


@pytest.mark.slow
def test_many_rows_go_in_batches(
    manager: DatabaseManager, tmp_path: Path, other: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axai_pg.archives.reading._BATCH_ROWS", 2)
    monkeypatch.setattr("axai_pg.archives.writing._EACH", 2)
    told: list[int] = []
    export_organization(manager, ACME, tmp_path / "a", progress=lambda done, _: told.append(done))
    written = list(told)

    import_organization(
        manager, tmp_path / "a", org_id=other, progress=lambda done, _: told.append(done)
    )

    assert len(set(written)) > 10
    assert told[len(written) :][0] == 2


def test_a_manifest_comes_back_as_it_was_written(archive: Path) -> None:
    manifest = verify_archive(archive)

    assert Manifest.read(manifest.written()) == manifest
