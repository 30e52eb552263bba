"""An organisation is taken elsewhere, whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import tarfile
import threading
import tracemalloc
import uuid
import zipfile
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from andamios_orm.exceptions import ConfigurationError, DatabaseFault, NotFound
from axai_pg.archives import (
    Manifest,
    export_organization,
    import_organization,
    verify_archive,
)
from axai_pg.archives.manifest import MANIFEST
from axai_pg.archives.tables import tables
from axai_pg.data.models import Base, Organization, User
from axai_pg.exceptions import ArchiveRefused, OrganizationNotEmpty
from axai_pg.utils.sample_data import ACME, GLOBEX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axai_pg.data.config import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]

Contents: TypeAlias = "Callable[[uuid.UUID], dict[str, list[bytes]]]"
FORMS = ["acme", "acme.zip", "acme.tar.gz"]


@pytest.fixture
def other() -> uuid.UUID:
    """Return the key of an organisation that there is not."""
    return uuid.uuid4()


@pytest.mark.parametrize("form", FORMS)
def test_an_organisation_is_copied_row_by_row(
    manager: DatabaseManager, contents: Contents, tmp_path: Path, other: uuid.UUID, form: str
) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / form

    written = export_organization(manager, ACME, target, with_secrets=True)
    read = import_organization(
        manager, target, org_id=other, progress=lambda *each: told.append(each)
    )

    assert contents(other) == contents(ACME)
    assert read.org_id == other
    assert read.parts == written.parts == verify_archive(target).parts
    assert told[-1] == (written.rows, written.rows)
    assert list(tmp_path.iterdir()) == [target]


def test_every_table_of_organisations_is_written_but_what_was_done() -> None:
    there = {name for name, table in Base.metadata.tables.items() if "org_id" in table.columns}

    assert there - {table.name for table in tables()} == {"audit_log", "audit_seals"}


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
    import_organization(manager, tmp_path / "x", org_id=other)

    assert all(part.rows == 1 for part in manifest.parts)
    assert contents(other) == contents(full)


def test_secrets_are_left_out_unless_they_are_asked_for(
    manager: DatabaseManager, contents: Contents, tmp_path: Path, other: uuid.UUID
) -> None:
    export_organization(manager, ACME, tmp_path / "acme")
    import_organization(manager, tmp_path / "acme", org_id=other)

    users = [json.loads(line) for line in contents(other)["users"]]
    assert "hashed_password" not in (tmp_path / "acme" / "users.ndjson").read_text()
    assert [user["hashed_password"] for user in users] == [None, None]


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


def test_both_are_in_the_audit_log(
    manager: DatabaseManager, archive: Path, tmp_path: Path, other: uuid.UUID
) -> None:
    import_organization(manager, archive, org_id=other)
    manifest = export_organization(manager, other, tmp_path / "again")

    with manager.system_scope("test") as session:
        found = session.connection().exec_driver_sql(
            "SELECT action, details->'rows' FROM audit_log "
            f"WHERE action IN ('export', 'import') AND org_id = '{other}' ORDER BY id"
        )
        assert [tuple(row) for row in found] == [
            ("import", manifest.rows),
            ("export", manifest.rows),
        ]


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


def test_what_cannot_be_written_leaves_nothing(manager: DatabaseManager, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise InterruptedError

    for form in FORMS:
        with pytest.raises(InterruptedError):
            export_organization(manager, ACME, tmp_path / form, progress=stop)

    assert list(tmp_path.iterdir()) == []


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


# ---- archives that somebody has changed ------------------------------------------


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest."""
    document = json.loads((folder / MANIFEST).read_text())
    change(document)
    (folder / MANIFEST).write_text(json.dumps(document))


def forged(folder: Path, table: str, line: str) -> None:
    """Let an archive say in all ways that a table is that line."""
    content = line.encode() + b"\n"
    (folder / f"{table}.ndjson").write_bytes(content)

    def change(document: dict[str, Any]) -> None:
        [part] = [part for part in document["tables"] if part["table"] == table]
        part |= {
            "columns": list(json.loads(line)),
            "rows": 1,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    edit(folder, change)


def rename_first(folder: Path, table: str) -> None:
    """Let the first file of an archive be that of another table."""

    def change(document: dict[str, Any]) -> None:
        first = document["tables"][0]
        (folder / f"{first['table']}.ndjson").rename(folder / f"{table}.ndjson")
        first["table"] = table

    edit(folder, change)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a file less": (lambda at: (at / "users.ndjson").unlink(), "are not those that manifest"),
    "a file more": (lambda at: (at / "x.ndjson").touch(), "has more than"),
    "a strange file": (lambda at: (at / "run.sh").touch(), "'run.sh', which is none of ours"),
    "a folder": (lambda at: (at / "x.ndjson").mkdir(), "is no ordinary file"),
    "a link": (lambda at: (at / "x.ndjson").symlink_to("/etc/passwd"), "is no ordinary file"),
    "no manifest": (lambda at: (at / MANIFEST).unlink(), "there is no manifest.json"),
    "a long manifest": (lambda at: (at / MANIFEST).write_bytes(b" " * (2**20 + 1)), "is longer"),
    "no JSON": (lambda at: (at / MANIFEST).write_text("{"), "cannot be understood"),
    "deep JSON": (lambda at: (at / MANIFEST).write_text("[" * 200_000), "cannot be understood"),
    "another format": (lambda at: edit(at, lambda it: it.update(format="x")), "is not that of"),
    "a newer version": (lambda at: edit(at, lambda it: it.update(version=2)), "with a newer axai"),
    "no tables": (lambda at: edit(at, lambda it: it.pop("tables")), "cannot be understood"),
    "a negative size": (
        lambda at: edit(at, lambda it: it["tables"][0].update(bytes=-1)),
        "makes no sense",
    ),
    "a changed byte": (
        lambda at: (at / "users.ndjson").write_text(
            (at / "users.ndjson").read_text().replace("ana", "eve")
        ),
        "users.ndjson is not what it was",
    ),
    "a longer file": (
        lambda at: (at / "users.ndjson").write_text((at / "users.ndjson").read_text() + "{}\n"),
        "users.ndjson is not what it was",
    ),
    "a shorter file": (
        lambda at: (at / "users.ndjson").write_text((at / "users.ndjson").read_text()[:-1]),
        "users.ndjson is not what it was",
    ),
    "an unknown table": (
        lambda at: rename_first(at, "pg_authid"),
        "there is no table pg_authid",
    ),
    "a column of ours": (
        lambda at: edit(at, lambda it: it["tables"][0]["columns"].append("org_id")),
        "has columns that .* has not: org_id",
    ),
    "no columns": (
        lambda at: edit(at, lambda it: it["tables"][0].update(columns=[])),
        "has columns that .* has not: none",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_an_archive_that_is_not_what_it_was_is_refused(archive: Path, name: str) -> None:
    damage, said = DAMAGE[name]
    damage(archive)

    with pytest.raises(ArchiveRefused, match=said):
        verify_archive(archive)


@pytest.mark.parametrize(
    "name", ["../evil.ndjson", "/etc/evil.ndjson", "a/users.ndjson", "C:x.json"]
)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / "archive"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as made:
            made.writestr(name, "x")
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())

    with pytest.raises(ArchiveRefused, match="which is none of ours"):
        verify_archive(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE]
)
def test_a_tar_of_anything_but_files_is_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("users.ndjson")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "archive", "w:gz") as tar:
        tar.addfile(entry)

    with pytest.raises(ArchiveRefused, match="is no ordinary file"):
        verify_archive(tmp_path / "archive")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as made:
        made.writestr(MANIFEST, "1")
        made.writestr(MANIFEST, "2")

    with pytest.raises(ArchiveRefused, match=r"has manifest\.json twice"):
        verify_archive(tmp_path / "a")


def test_the_files_are_counted_no_further_than_ours_go(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as made:
        for letters in itertools.islice(itertools.product("abcdef", repeat=3), 100):
            made.writestr(f"{''.join(letters)}.ndjson", "")

    with pytest.raises(ArchiveRefused, match=f"more than {len(tables()) + 1} files"):
        verify_archive(tmp_path / "a")


@pytest.mark.parametrize("name", ["x" * 2**22, "\u00fc" * 2**20])
def test_a_header_is_not_read_that_is_longer_than_all_of_ours(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    tracemalloc.start()

    with pytest.raises(ArchiveRefused, match="headers of the archive are longer than 1048576"):
        verify_archive(tmp_path / "a")

    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_long_name_is_cut_where_it_is_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("x" * 300))

    with pytest.raises(ArchiveRefused, match=r"a file 'x{80}\.\.\.', which is none of ours"):
        verify_archive(tmp_path / "a")


def test_a_file_with_holes_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("users.ndjson")
    entry.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}
    with tarfile.open(tmp_path / "a", "w:gz") as tar:
        tar.addfile(entry)

    with pytest.raises(ArchiveRefused, match="is no ordinary file"):
        verify_archive(tmp_path / "a")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK not really")

    with pytest.raises(ArchiveRefused, match="cannot be read"):
        verify_archive(tmp_path / "a.zip")
    with pytest.raises(ConfigurationError, match="there is no archive"):
        verify_archive(tmp_path / "b.zip")


def test_a_forged_row_that_the_database_refuses_leaves_nothing(
    manager: DatabaseManager, archive: Path, other: uuid.UUID
) -> None:
    forged(archive, "users", '{"id": "no key", "username": "eve", "email": "eve@x"}')

    with pytest.raises(DatabaseFault):
        import_organization(manager, archive, org_id=other)
    with manager.session_scope(org_id=other) as session:
        assert session.connection().exec_driver_sql("SELECT FROM organizations").all() == []


def test_a_row_that_would_come_out_otherwise_is_refused(
    manager: DatabaseManager, archive: Path, other: uuid.UUID
) -> None:
    key = uuid.uuid4()
    forged(archive, "topics", f'{{"name": "b", "id": "{key}"}}')

    with pytest.raises((ArchiveRefused, DatabaseFault)):
        import_organization(manager, archive, org_id=other)


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
