"""A real Prometheus beside the demo shop: Debian's package, or any `prometheus` on the path."""

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from weft.local.ports import free_port

__all__ = ["PROMETHEUS", "prometheus_running", "stopped"]

PROMETHEUS = "prometheus"
INSTALL = "install Debian's package: apt-get install prometheus"
_UP_WITHIN = 20.0
_STOP_WITHIN = 10.0
_POLL = 0.1
_ONE = aiohttp.ClientTimeout(total=2.0)


@asynccontextmanager
async def prometheus_running(
    targets: Mapping[str, str], directory: Path, *, every: float = 1.0
) -> AsyncGenerator[str, None]:
    """Yield the URL of a Prometheus that scrapes `targets`, base URLs by service, each `every` s.

    Raises:
        RuntimeError: There is no Prometheus here, or it did not come up; the sentence says more.
    """
    binary = shutil.which(PROMETHEUS)
    if binary is None:
        raise RuntimeError(f"there is no {PROMETHEUS} on the path: {INSTALL}")
    config = await asyncio.to_thread(_configured, directory, targets, every)
    port = free_port()
    with await asyncio.to_thread((directory / "prometheus.log").open, "wb") as log:
        process = await asyncio.create_subprocess_exec(
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url, process)
        yield url
    finally:
        await stopped(process)


def _configured(directory: Path, targets: Mapping[str, str], every: float) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "prometheus.yml"
    # JSON is YAML.
    config.write_text(json.dumps(_config(targets, every)))
    return config


def _config(targets: Mapping[str, str], every: float) -> dict[str, object]:
    interval = f"{every * 1000:.0f}ms"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [
            {"job_name": service, "static_configs": [{"targets": [urlsplit(url).netloc]}]}
            for service, url in targets.items()
        ],
    }


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_UP_WITHIN), aiohttp.ClientSession(timeout=_ONE) as session:
        while True:
            if process.returncode is not None:
                raise RuntimeError("Prometheus ended at once; its log says why: prometheus.log")
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.ok:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_POLL)


async def stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_WITHIN):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
