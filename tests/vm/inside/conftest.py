"""One set of HCAs for the whole suite."""

import pytest

from tests.vm.inside import fabric


@pytest.fixture(scope="session", autouse=True)
def hcas() -> None:
    fabric.build()
