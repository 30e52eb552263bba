"""The fields of each entity, and the columns of a file that are taken for them."""

from __future__ import annotations

import pytest

from andamios_orm.exceptions import ConfigurationError
from project_architect_db.importers import NamesRefused
from project_architect_db.importers.entities import ENTITIES, Naming, entity_of

pytestmark = pytest.mark.unit


def test_an_unknown_entity_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"known are project, .*did you mean 'project'"):
        entity_of("projects")


@pytest.mark.parametrize("name", ENTITIES)
def test_every_column_of_an_entity_is_a_field_or_is_kept_by_the_library(name: str) -> None:
    entity = ENTITIES[name]
    columns = {
        next((field for field, own in entity.renamed.items() if own == each), each)
        for each in entity.target.columns
    }

    assert columns <= {*entity.fields, *entity.kept}
    assert entity.kept.keys().isdisjoint(entity.fields)
    assert "id" in entity.kept


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("project", {"name", "project_idea", "owner", "source"}),
        ("conversation", {"project", "project_id", "messages", "phase", "source"}),
        ("document", {"project", "project_id", "content", "file_path", "revision"}),
        ("repository", {"project", "project_id", "metadata", "remotes", "stars"}),
        ("build", {"repository", "repository_id", "project", "project_id", "status", "branch"}),
        ("deployment", {"repository", "repository_id", "environment", "release"}),
    ],
)
def test_fields_are_those_of_schema_columns_and_references(name: str, fields: set[str]) -> None:
    assert fields <= {*ENTITIES[name].fields}


def naming(**mapping: str | None) -> Naming:
    return Naming("it", ENTITIES["project"], mapping)


def test_columns_are_fields_by_their_own_name_or_by_the_mapping() -> None:
    names = naming(Title="name", Extra=None)

    names.check_header(("Title", "status", "Extra", "id"))

    assert names.left_out == {"Extra": "mapping= leaves it out", "id": "it is generated"}
    assert names.named({"Title": "a", "status": None, "Extra": 1, "id": 7}) == ({"name": "a"}, [])
    names.check_seen()


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"a": "nmae"}, "it: there is no field 'nmae', did you mean 'name'?; known are "),
        ({"a": "name", "b": "name"}, "it: mapping= has 'name' more than once"),
    ],
)
def test_a_mapping_to_what_is_no_field_is_refused(mapping: dict[str, str], reason: str) -> None:
    with pytest.raises(NamesRefused) as refused:
        naming(**mapping)

    assert str(refused.value).startswith(reason)
    assert "project_idea" in refused.value.known


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (("name",), "it: there is no column 'Title'; known are name"),
        (("Titel", "name"), "it: there is no column 'Title', did you mean 'Titel'?"),
        (("Title", "name"), "it: the columns 'Title' and 'name' are both 'name'"),
        (
            ("Title", "ownr", "x"),
            (
                "it: 'ownr' is no field of a project, did you mean 'owner'?; "
                "'x' is no field of a project; known are "
            ),
        ),
    ],
)
def test_a_header_that_does_not_fit_is_refused(header: tuple[str, ...], reason: str) -> None:
    with pytest.raises(NamesRefused) as refused:
        naming(Title="name").check_header(header)

    assert str(refused.value).startswith(reason)
    assert refused.value.names


def test_a_header_that_does_not_fit_says_the_remedy() -> None:
    with pytest.raises(NamesRefused, match=r"mapping=\{'ownr': \.\.\.\}, or leave it out"):
        naming().check_header(("name", "ownr"))


def test_a_row_says_what_is_wrong_with_its_names() -> None:
    names = naming(Title="name")

    row, wrong = names.named({"Title": "a", "name": "b", "ownr": "c"})

    assert row == {"name": "a"}
    assert wrong[0] == ("name", "it is 'name', which the row has already")
    assert wrong[1][0] == "ownr"
    assert "did you mean 'owner'?" in wrong[1][1]


def test_a_mapping_of_what_no_row_has_is_refused() -> None:
    names = naming(Title="name")
    names.named({"owner": "a"})

    with pytest.raises(NamesRefused, match="no column 'Title'; known are owner"):
        names.check_seen()
