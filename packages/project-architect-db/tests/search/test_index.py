"""The index itself, without a database."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import MissingExtra
from project_architect_db.exceptions import SearchUnavailable
from project_architect_db.search import index as module
from project_architect_db.search.entries import Entry
from project_architect_db.search.index import Index, State

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def entry(key: int, title: str) -> Entry:
    return Entry("document", key, 1, None, title, "", "", NOW, NOW, "other")


def test_without_tantivy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tantivy", None)

    with pytest.raises(MissingExtra, match=r"pip install 'project-architect-db\[search\]'"):
        Index(None)


def test_what_is_not_committed_was_never_there(tmp_path: Path) -> None:
    index = Index(tmp_path / "it")
    index.open()
    writing = index.writing()
    writing.add([entry(1, "one")])
    writing.commit(State(7, None))
    writing.add([entry(2, "two")])
    writing.close()

    again = Index(tmp_path / "it")
    again.open()

    assert (again.count, again.state) == (1, State(7, None))
    assert again.between("document", 0, 9) == [1]
    assert set(again.known(["document:1", "document:2"])) == {"document:1"}


def test_an_index_of_another_format_is_to_be_made_anew(tmp_path: Path) -> None:
    index = Index(tmp_path / "it")
    index.open()
    writing = index.writing()
    writing.commit(State(7, None, format=0))
    writing.close()
    again = Index(tmp_path / "it")
    again.open()

    assert again.state is None


def test_a_state_that_says_something_else_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index(tmp_path / "it")
    index.open()
    writing = index.writing()
    monkeypatch.setattr(module, "asdict", lambda _state: {"place": 7})
    writing.commit(State(7, None))
    writing.close()
    again = Index(tmp_path / "it")
    again.open()

    assert again.state is None


def test_a_second_writer_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    index = Index(tmp_path / "it")
    index.open()
    writing = index.writing()

    with pytest.raises(SearchUnavailable, match="LockBusy"):
        index.writing()

    writing.close()
    index.writing().close()


def test_a_writer_that_has_closed_can_be_closed() -> None:
    index = Index(None)
    index.open()
    writing = index.writing()
    writing.close()

    writing.close()


def test_an_index_in_memory_is_named_without_a_folder() -> None:
    assert str(SearchUnavailable(None, "no")) == (
        "the index of the search in memory cannot be used: no"
    )
    assert Index(None).count == 0


def test_only_files_of_an_index_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    index = Index(folder)
    index.open()
    (folder / "mine.txt").write_text("mine")
    (folder / f"{'a' * 32}.term").mkdir()

    index.reset()

    assert (folder / "mine.txt").exists()
    assert not (folder / f"{'a' * 32}.term").exists()
    assert index.count == 0


def test_an_index_in_memory_can_begin_again() -> None:
    index = Index(None)
    index.open()
    writing = index.writing()
    writing.add([entry(1, "one")])
    writing.commit(State(7, None))
    writing.close()

    index.reset()

    assert (index.count, index.state) == (0, None)


def test_an_error_that_is_no_damage_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index(None)
    monkeypatch.setattr(index, "_state", {}.popitem)

    with pytest.raises(KeyError):
        index.open()


@pytest.mark.slow
def test_what_a_killed_writer_has_left_is_in_nobodys_way(tmp_path: Path) -> None:
    index = Index(tmp_path / "it")
    index.open()
    for number in range(2):
        writing = index.writing()
        writing.remove("uid", ["document:1"])
        writing.add([entry(key, "one") for key in (1, number + 2)])
        writing.commit(State(number, None))
        writing.close()
    named = {path.name for path in (tmp_path / "it").glob("*.del")}
    segments = {path.name.split(".")[0] for path in (tmp_path / "it").glob("*.store")}
    for segment in segments:
        for number in range(100):
            (tmp_path / "it" / f"{segment}.{number}.del").touch()

    again = Index(tmp_path / "it")
    again.open()
    writing = again.writing()
    writing.remove("uid", ["document:1", "document:2"])
    writing.commit(State(7, None))
    writing.close()

    assert (len(named) > 0, again.count) == (True, 1)
