"""What every test of the coder begins with."""

import pytest

from tests.services.coder.processes import note_others


@pytest.fixture(autouse=True)
def _others_are_noted() -> None:
    note_others()
