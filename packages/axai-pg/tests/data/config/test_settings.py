from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.config.settings import Settings, read_environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("AXAI_X=plain", "plain"),
        ("export AXAI_X = spaced ", "spaced"),
        ("AXAI_X=p@ss/w:rd#1", "p@ss/w:rd#1"),
        ("AXAI_X=value # what it is", "value"),
        ("AXAI_X='as # it \"is'  # so", 'as # it "is'),
        (r'AXAI_X="a \"word\" \\"', 'a "word" \\'),
        ("AXAI_X=", ""),
        ("AXAI_X=# nothing", ""),
        ("# a remark\n\nAXAI_X=later", "later"),
        ("AXAI_X=first\nAXAI_X=second", "second"),
    ],
)
def test_a_line_of_a_file_is_read(file: Path, line: str, value: str) -> None:
    file.write_text(line, encoding="utf-8")

    assert read_environment(file)["AXAI_X"] == value


@pytest.mark.parametrize("line", ["AXAI_X", "2X=canary", "AXAI_X=two words", "AXAI_X='canary"])
def test_a_line_that_is_no_setting_is_refused_without_showing_it(file: Path, line: str) -> None:
    file.write_text(f"A=b\n{line}\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"line 2 of .*\.env is no NAME=value") as refused:
        read_environment(file)

    assert "canary" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.env cannot be read"):
        read_environment(file)


def test_the_environment_says_what_an_initializer_does(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AXAI_AUTO_DROP_DB", raising=False)
    monkeypatch.setenv("AXAI_LOAD_SAMPLE_DATA", "on")
    file.write_text("AXAI_AUTO_DROP_DB=true\nAXAI_LOAD_SAMPLE_DATA=false\n", encoding="utf-8")

    assert Settings.from_env() == Settings(load_sample_data=True)
    assert Settings.from_env(file) == Settings(auto_drop_db=True, load_sample_data=True)
    monkeypatch.setenv("AXAI_AUTO_DROP_DB", "perhaps")
    with pytest.raises(ConfigurationError, match="AXAI_AUTO_DROP_DB=perhaps is neither"):
        Settings.from_env()
