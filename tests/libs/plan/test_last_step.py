"""Of the steps that end, one at most waits for the commit that ends its run: the last."""

from collections.abc import Sequence

import pytest

from weft.checkpoint import StepWrite
from weft.core import JsonObject, Path
from weft.core.errors import FencedError
from weft.events import Event
from weft.plan.last_step import LastStep
from weft.runs import LocalJournal


class Writes(LocalJournal):
    """Notes what is recorded, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[Path] = []

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        self.paths.append(path)
        return await super().record(path, outcome, events)


def step(name: str) -> StepWrite:
    return StepWrite((name,), {"step": name})


async def test_a_step_beside_nothing_else_waits_for_the_next_one() -> None:
    journal = Writes()
    last = LastStep(journal)

    outcome = await last.keep(step("a"))
    before = list(journal.paths)
    await last.settle()

    assert outcome == {"step": "a"}
    assert before == []
    assert journal.paths == [("a",)]
    assert last.held_back == ()


async def test_of_branches_all_but_the_last_are_written_at_once() -> None:
    journal = Writes()
    last = LastStep(journal)

    last.fork(3)
    for name in ("a", "b", "c"):
        await last.keep(step(name))
        last.leave()
    last.join()

    assert journal.paths == [("a",), ("b",)]
    assert last.held_back == (step("c"),)


async def test_a_branch_that_writes_is_not_at_work() -> None:
    journal = Writes()
    last = LastStep(journal)
    last.fork(2)

    class Beside(Writes):
        async def record(
            self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
        ) -> JsonObject:
            # While the first branch waits for its commit, the second ends.
            await last.keep(step("b"))
            return await super().record(path, outcome, events)

    last._journal = beside = Beside()
    await last.keep(step("a"))

    assert beside.paths == [("a",)]
    assert last.held_back == (step("b"),)


async def test_branches_that_never_began_keep_nobody_from_being_the_last() -> None:
    last = LastStep(Writes())

    last.fork(3)
    last.leave()
    last.leave()
    await last.keep(step("a"))

    assert last.held_back == (step("a"),)


async def test_the_branch_that_forked_is_at_work_again_once_it_joined() -> None:
    journal = Writes()
    last = LastStep(journal)

    last.fork(0)
    last.join()
    await last.keep(step("a"))
    last.fork(2)
    await last.settle()
    await last.keep(step("b"))

    assert journal.paths == [("a",), ("b",)]
    assert last.held_back == ()


async def test_an_outcome_that_another_writer_replaced_after_its_use_fences() -> None:
    journal = Writes()
    last = LastStep(journal)
    await last.keep(step("a"))
    await journal.record(("a",), {"step": "another's"})

    with pytest.raises(FencedError):
        await last.settle()
