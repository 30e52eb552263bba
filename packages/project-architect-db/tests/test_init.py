import re

import pytest

import project_architect_db

pytestmark = pytest.mark.unit


def test_the_version_is_one_that_can_be_released() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", project_architect_db.__version__)
