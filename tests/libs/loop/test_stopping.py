"""Whoever ends a run's work, one reason is given, and it is the right one."""

import threading

import anyio
import pytest

from weft.loop.stopping import Stopping
from weft.loop.terminate import Stop

DONE = Stop("complete", "done")
LATE = Stop("time_budget", "late")


async def test_work_that_ends_by_itself_says_why() -> None:
    stopping = Stopping()

    with stopping.working() as anything_to_do:
        stopping.decide(DONE)

    assert anything_to_do
    assert stopping.stop is DONE


async def test_a_cancel_before_the_start_prevents_the_work() -> None:
    stopping = Stopping()
    stopping.cancel("no longer wanted")

    with stopping.working() as anything_to_do:
        pass

    assert not anything_to_do
    assert stopping.stop == Stop("canceled", "no longer wanted")


async def test_a_cancel_from_another_thread_ends_what_is_under_way() -> None:
    stopping = Stopping()

    with anyio.fail_after(5), stopping.working():
        threading.Thread(target=stopping.cancel).start()
        await anyio.sleep_forever()

    assert stopping.stop == Stop("canceled", "canceled")


async def test_a_cancel_that_cut_nothing_short_changes_no_end() -> None:
    stopping = Stopping()

    with stopping.working():
        stopping.decide(DONE)
    stopping.cancel()

    assert stopping.canceled
    assert stopping.stop is DONE


@pytest.mark.parametrize(("decided", "stop"), [(None, LATE), (DONE, DONE)])
async def test_giving_up_leaves_an_end_that_was_decided(decided: Stop | None, stop: Stop) -> None:
    stopping = Stopping()

    with anyio.fail_after(5), stopping.working():
        if decided is not None:
            stopping.decide(decided)
        stopping.give_up(LATE)
        await anyio.sleep_forever()

    assert stopping.stop is stop


async def test_a_cancel_that_cuts_the_last_words_short_is_the_end() -> None:
    stopping = Stopping()

    with anyio.fail_after(5), stopping.working():
        stopping.decide(DONE)
        stopping.cancel("enough")
        await anyio.sleep_forever()

    assert stopping.stop == Stop("canceled", "enough")
