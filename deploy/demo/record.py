"""Records the bundled incident anew: `python -m deploy.demo.record`.

Starts the shop, sends it customers, keeps a healthy stretch of it, turns on the flag that makes
payment block its event loop, keeps what follows, and stops everything it started.
"""

import argparse
import asyncio
import logging
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

from deploy.demo.fleet import shop_running
from deploy.demo.outside import Load, Provider, drive, provider_running
from deploy.demo.recording import Run, Window, write
from deploy.demo.scrape import Reading, Scraper, rows

OUT = Path(__file__).with_name("incident")
_SETTLE_WITHIN = 12.0
_WITHIN = aiohttp.ClientTimeout(total=5)
_MARK = "labels.json"

log = logging.getLogger("record")


@dataclass(frozen=True, slots=True)
class Script:
    """How long each part of a recording is, in seconds, and how the shop is used meanwhile."""

    warm_up: float = 4.0
    baseline: float = 36.0
    between: float = 4.0
    lead: float = 8.0
    """The incident's window opens this long before the flag is turned on."""
    incident: float = 36.0
    every: float = 2.0
    """From one reading of the metrics to the next."""
    load: Load = field(default_factory=Load)
    provider: Provider = field(default_factory=Provider)
    seed: int = 7


async def record(script: Script, telemetry: Path) -> Run:
    """Run the shop once through `script`; its telemetry is whole in `telemetry` once it is closed."""
    async with (
        provider_running(script.provider, seed=script.seed) as scoring,
        shop_running(telemetry, scoring=scoring) as urls,
        aiohttp.ClientSession() as session,
    ):
        log.info("the shop is open: %s", ", ".join(urls))
        switch = partial(_switch, session, urls["payment"])
        return await watched(script, telemetry, urls, session, switch=switch)


async def watched(
    script: Script,
    telemetry: Path,
    urls: Mapping[str, str],
    session: aiohttp.ClientSession,
    *,
    switch: Callable[[], Awaitable[None]],
) -> Run:
    """Send customers to a shop that is open, and read it before and after `switch`."""
    scraper = Scraper(session, urls)
    await drive(urls["frontend"], script.load, seconds=script.warm_up, seed=script.seed)
    baseline = await _window(script, scraper, urls, seconds=script.baseline, seed=1)
    await asyncio.sleep(script.between)
    async with asyncio.TaskGroup() as tasks:
        switched = tasks.create_task(_switched(switch, after=script.lead))
        seconds = script.lead + script.incident
        incident = await _window(script, scraper, urls, seconds=seconds, seed=2)
    return Run(telemetry, baseline, incident, switched.result())


async def _window(
    script: Script, scraper: Scraper, urls: Mapping[str, str], *, seconds: float, seed: int
) -> Window:
    begin = time.time()
    readings = await scraper.read()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_watch(scraper, script.every, readings))
        answers = await drive(
            urls["frontend"], script.load, seconds=seconds, seed=script.seed + seed
        )
        watching.cancel()
    await _settle(scraper, script.every, readings)
    log.info("window of %.1f s: %s", time.time() - begin, _shown(answers))
    return Window(begin, time.time(), rows(readings))


async def _watch(scraper: Scraper, every: float, readings: list[Reading]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += every
        await asyncio.sleep(due - loop.time())
        readings += await scraper.read()


async def _settle(scraper: Scraper, every: float, readings: list[Reading]) -> None:
    """Go on reading until no service is at work: callers gave up, the work they began goes on."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_WITHIN):
            while True:
                await asyncio.sleep(every)
                last = await scraper.read()
                readings += last
                if not any(seen.gauges.get("http_server_active_requests", 1) for seen in last):
                    return


async def _switched(switch: Callable[[], Awaitable[None]], *, after: float) -> float:
    await asyncio.sleep(after)
    moment = time.time()
    await switch()
    return moment


async def _switch(session: aiohttp.ClientSession, payment: str) -> None:
    flags = {"fraud_scoring": True}
    async with session.put(f"{payment}/admin/flags", json=flags, timeout=_WITHIN) as answer:
        answer.raise_for_status()


def _shown(answers: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))


async def _stoppable(script: Script, telemetry: Path) -> Run:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await record(script, telemetry)


def _record_to(out: Path, script: Script) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        telemetry, made = Path(scratch, "telemetry"), Path(scratch, "made")
        telemetry.mkdir()
        write(asyncio.run(_stoppable(script, telemetry)), made)
        # Whole or not at all: a failed run leaves the old recording as it was.
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(made, out)
    log.info("recorded to %s", out)


def main() -> None:
    """Record an incident of the demo shop; takes about two minutes."""
    usual = Script()
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.record", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="replaced if it is a recording")
    parser.add_argument("--baseline", type=float, default=usual.baseline, metavar="SECONDS")
    parser.add_argument("--incident", type=float, default=usual.incident, metavar="SECONDS")
    parser.add_argument("--rate", type=float, default=usual.load.rate, help="requests per second")
    parser.add_argument("--seed", type=int, default=usual.seed)
    given = parser.parse_args()
    if given.out.exists() and not (given.out / _MARK).is_file():
        parser.error(f"{given.out} exists and is no recording; it is left alone")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    script = Script(
        baseline=given.baseline,
        incident=given.incident,
        load=Load(rate=given.rate),
        seed=given.seed,
    )
    # A shell starts background jobs with interrupts ignored; this one is to be stopped all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _record_to(given.out, script)
    except (KeyboardInterrupt, asyncio.CancelledError):
        parser.exit(1, "stopped; nothing was recorded\n")


if __name__ == "__main__":
    main()
