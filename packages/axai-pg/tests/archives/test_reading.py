"""An archive that somebody has changed is refused, and nothing of it is imported."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import tarfile
import tracemalloc
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import ConfigurationError, MissingTable
from axai_pg.archives import import_organization, verify_archive
from axai_pg.archives.manifest import MANIFEST
from axai_pg.archives.reading import _refused_rows
from axai_pg.archives.tables import only, tables
from axai_pg.exceptions import ArchiveRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axai_pg.data.config import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest."""
    document = json.loads((folder / MANIFEST).read_text())
    change(document)
    (folder / MANIFEST).write_text(json.dumps(document))


def forged(folder: Path, table: str, line: str, *columns: str, encoding: str = "utf-8") -> None:
    """Let an archive say in all ways that a table is that line, of these columns or of its own."""
    content = line.encode(encoding) + b"\n"
    (folder / f"{table}.ndjson").write_bytes(content)

    def change(document: dict[str, Any]) -> None:
        [part] = [part for part in document["tables"] if part["table"] == table]
        part |= {
            "columns": columns or part["columns"],
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
    "endless rows": (
        lambda at: (at / MANIFEST).write_text(
            re.sub(r'"rows": \d+', '"rows": 1e999', (at / MANIFEST).read_text())
        ),
        "cannot be understood",
    ),
    "half a pair": (
        lambda at: edit(at, lambda it: it["organization"].update(name="\ud800")),
        "surrogates not allowed",
    ),
    "nobody's key": (
        lambda at: edit(at, lambda it: it["organization"].update(id=str(uuid.UUID(int=0)))),
        "no organisation has the nil UUID",
    ),
    "a name with NUL": (
        lambda at: edit(at, lambda it: it["organization"].update(name="a\0b")),
        r"no organisation can be called 'a\\x00b'",
    ),
    "a long name": (
        lambda at: edit(at, lambda it: it["organization"].update(name="x" * 300)),
        "no organisation can be called 'x{255}'",
    ),
    "an empty name": (
        lambda at: edit(at, lambda it: it["organization"].update(name=" ")),
        "no organisation can be called ' '",
    ),
    "a column twice": (
        lambda at: edit(at, lambda it: it["tables"][0]["columns"].append("id")),
        "has a column twice",
    ),
    "another encoding": (
        lambda at: forged(at, "users", '{"username": "\u00fc"}', encoding="latin-1"),
        "users.ndjson is not UTF-8",
    ),
    "a user that is no object": (
        lambda at: forged(at, "users", "[1]"),
        "users.ndjson is not a row in JSON on each line",
    ),
    "a user without an end": (
        lambda at: forged(at, "users", '{"is_admin":'),
        "users.ndjson is not a row in JSON on each line",
    ),
    "a user without a bottom": (
        lambda at: forged(at, "users", "[" * 200_000),
        "users.ndjson is not a row in JSON on each line",
    ),
    "a secret alone": (
        lambda at: forged(at, "users", "{}", "hashed_password"),
        "has columns that users has not: none",
    ),
    "a changed byte": (
        lambda at: (at / "users.ndjson").write_text(
            (at / "users.ndjson").read_text().replace("ana", "eve")
        ),
        "users.ndjson is not what manifest.json says",
    ),
    "a longer file": (
        lambda at: (at / "users.ndjson").write_text((at / "users.ndjson").read_text() + "{}\n"),
        "users.ndjson is not what manifest.json says",
    ),
    "a shorter file": (
        lambda at: (at / "users.ndjson").write_text((at / "users.ndjson").read_text()[:-1]),
        "users.ndjson is not what manifest.json says",
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


def test_a_file_that_breaks_off_while_it_is_read_is_refused(archive: Path, tmp_path: Path) -> None:
    whole = tmp_path / "a.zip"
    with zipfile.ZipFile(whole, "w") as made:
        for path in archive.iterdir():
            made.write(path, path.name)
    content = whole.read_bytes()

    for name in (b"ana", b"axai-organization"):
        assert name in content
        whole.write_bytes(content.replace(name, name.upper()))
        with pytest.raises(ArchiveRefused, match=r"a\.zip cannot be read: Bad CRC-32"):
            verify_archive(whole)


@pytest.mark.parametrize(
    ("table", "line", "said"),
    [
        ("users", '{"id": "no key"}', 'invalid input syntax for type uuid: "no key"'),
        ("users", '{"username": "a\\u0000b"}', "unsupported Unicode escape sequence"),
        ("topics", '{"name": "a\0b"}', "cannot contain NUL"),
        ("topics", "{", "invalid input syntax for type json"),
        ("topics", "[1]", "json_populate_recordset"),
        ("users", '{"id": null}', "null value in column"),
        ("topics", "[" * 100_000, "stack depth limit exceeded"),
        ("topics", '{"name": "%s"}' % ("x" * 300), "value too long"),
    ],
)
def test_a_forged_row_that_the_database_refuses_leaves_nothing(
    manager: DatabaseManager, archive: Path, other: uuid.UUID, table: str, line: str, said: str
) -> None:
    forged(archive, table, line)

    with pytest.raises(ArchiveRefused, match=rf"{table}\.ndjson has rows .*{said}"):
        import_organization(manager, archive, org_id=other)
    with manager.session_scope(org_id=other) as session:
        assert session.connection().exec_driver_sql("SELECT FROM organizations").all() == []


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 1}',
        "{[1]:1}",
        '{"id"=1}',
        '{"id":1,}',
        '{"id":1}{"id":1}',
        '{"id":1',
        "{}",
        "1",
        '{"id":' + "[" * 200_000,
    ],
)
def test_a_line_that_the_server_does_not_write_has_no_columns(line: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        only(f"{line}\n".encode(), ["id"])


def test_a_user_with_a_secret_is_to_be_as_the_server_writes_it(
    manager: DatabaseManager, archive: Path, other: uuid.UUID
) -> None:
    forged(archive, "users", '{"id":1,"hashed_password"  :"x"}', "id", "hashed_password")

    with pytest.raises(ArchiveRefused, match=r"users\.ndjson is not a row in JSON"):
        import_organization(manager, archive, org_id=other)


def test_what_is_wrong_with_the_database_is_not_said_of_the_archive(
    manager: DatabaseManager, archive: Path, other: uuid.UUID
) -> None:
    part = verify_archive(archive).parts[0]

    with (
        pytest.raises(MissingTable),
        manager.session_scope(org_id=other) as session,
        _refused_rows(part),
    ):
        session.connection().exec_driver_sql("SELECT FROM nowhere")


def test_a_row_that_would_come_out_otherwise_is_refused(
    manager: DatabaseManager, archive: Path, other: uuid.UUID
) -> None:
    key = uuid.uuid4()
    forged(archive, "topics", f'{{"name": "b", "id": "{key}"}}', "id", "name")

    with pytest.raises(ArchiveRefused, match="the rows of topics are not what they were"):
        import_organization(manager, archive, org_id=other)
