"""The table of planted bugs stays true to the code it names."""

import pytest

from tests.conftest import ROOT
from tests.rig.mutants import Mutant, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_planted_bug_has_one_place_and_tests_that_exist(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new
    assert all((ROOT / test.partition("::")[0]).exists() for test in mutant.tests)


def test_no_two_planted_bugs_have_one_name() -> None:
    names = [mutant.name for mutant in mutants()]

    assert len(set(names)) == len(names)
