import asyncio
import logging

import anyio
import pytest

from weft.core import supervision
from weft.core.errors import StoreFullError
from weft.core.supervision import forever, guarded, kept_going


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_SECONDS", 0.002)


async def test_work_goes_on_after_whatever_it_raised(caplog: pytest.LogCaptureFixture) -> None:
    errors = [StoreFullError("no room"), ValueError("odd"), asyncio.CancelledError(), None]
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        error = errors[attempts]
        attempts += 1
        if error is not None:
            raise error

    with anyio.fail_after(5):
        await forever(work, name="some work")

    assert attempts == 4
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.ERROR, logging.ERROR]
    assert caplog.records[0].__dict__["code"] == "store_full"


async def test_a_cancellation_of_the_surrounding_task_is_not_swallowed() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(forever(work, name="some work"))
    await began.wait()
    task.cancel()

    with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
        await task


async def test_one_item_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    done = []

    for item in ("1", "x", "3"):
        with guarded("items"):
            done.append(int(item))

    assert done == [1, 3]
    assert [record.__dict__["work"] for record in caplog.records] == ["items"]


async def test_a_guard_lets_the_own_cancellation_through() -> None:
    began = asyncio.Event()

    async def work() -> None:
        with guarded("items"):
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()

    with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
        await task


async def test_work_beside_a_block_goes_on_after_errors_and_ends_with_the_block() -> None:
    again = asyncio.Event()
    ended = asyncio.Event()
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise StoreFullError("no room")
        again.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with anyio.fail_after(5):
        async with kept_going(work, name="some work"):
            await again.wait()
            assert not ended.is_set()

    assert ended.is_set()
