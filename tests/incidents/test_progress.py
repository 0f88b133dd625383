"""Whoever watches a run hears each second how far an analysis is."""

import threading
from pathlib import Path

import pytest
from anyio import to_thread

from incidents import DataRoots
from incidents.progress import ticking
from services.log_analyst.tools import ANALYZE_LOGS
from weft import Agent
from weft.testing import ScriptedModel, call
from weft.tools import Processes


def test_it_tells_again_and_again_while_the_block_runs() -> None:
    heard: list[tuple[float, str]] = []
    thrice = threading.Event()

    def tell(seconds: float, _total: float | None, words: str) -> None:
        heard.append((seconds, words))
        if len(heard) == 3:
            thrice.set()

    with ticking(tell, every=0.01):
        assert thrice.wait(5)
    count = len(heard)

    assert len(heard) == count, "and not any more"
    assert "MB read" in heard[0][1]
    assert [seconds for seconds, _ in heard] == sorted(seconds for seconds, _ in heard)


@pytest.mark.timeout(120)
async def test_an_analysis_of_much_data_is_heard_of(tmp_path: Path) -> None:
    def write() -> None:
        (tmp_path / "case").mkdir()
        with (tmp_path / "case" / "shop.log").open("w") as log:
            for number in range(150_000):
                log.write(f"2026-03-02T10:20:30Z ERROR no stock of {number} in {number % 7}\n")

    await to_thread.run_sync(write)
    async with Processes() as processes:
        tool = await to_thread.run_sync(ANALYZE_LOGS.tool, DataRoots([tmp_path]), processes)
        agent = Agent(ScriptedModel([call("analyze_logs", data="case"), "done"]), [tool])
        events = [event async for event in agent.run("Diagnose")]

    assert any("MB read" in str(event) for event in events)
