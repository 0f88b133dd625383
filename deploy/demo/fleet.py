"""Starts the shop's four services on free loopback ports, and stops them whatever happens."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

PEERS: Mapping[str, tuple[str, ...]] = {
    "inventory": (),
    "payment": ("scoring",),
    "checkout": ("inventory", "payment"),
    "frontend": ("inventory", "checkout"),
}
"""Whom each service calls; in the order in which they start."""

_ROOT = Path(__file__).resolve().parents[2]
_START_WITHIN = 20.0
_STOP_WITHIN = 15.0


@asynccontextmanager
async def shop_running(
    directory: Path, *, scoring: str | None = None
) -> AsyncGenerator[Mapping[str, str], None]:
    """Yield base URLs by service name; data and telemetry go to `directory`.

    Raises:
        RuntimeError: a service did not come up.
    """
    urls = {"scoring": scoring} if scoring else {}
    async with AsyncExitStack() as stack:
        for service, peers in PEERS.items():
            known = {peer: urls[peer] for peer in peers if peer in urls}
            urls[service] = await stack.enter_async_context(
                service_running(service, directory, known)
            )
        yield {service: urls[service] for service in PEERS}


@asynccontextmanager
async def service_running(
    service: str, directory: Path, peers: Mapping[str, str]
) -> AsyncGenerator[str, None]:
    """Yield the base URL of one process of a service.

    Raises:
        RuntimeError: it did not come up.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.demo.shop", service, "--directory", str(directory)),
        *(f"--peer={name}={url}" for name, url in peers.items()),
        stdin=PIPE,
        stdout=PIPE,
        cwd=_ROOT,
        env=_environment(),
        # Ctrl-C is for us; a service stops when we close its stdin, in the order we choose.
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{await _port(service, process)}"
    finally:
        await _stop(process)


async def _port(service: str, process: Process) -> int:
    if process.stdout is None:
        raise RuntimeError(f"{service} has no stdout to announce its port on")
    async with asyncio.timeout(_START_WITHIN):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"{service} ended before it took requests; its stderr says why")
    return int(line)


async def _stop(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_WITHIN):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    # urllib would send even loopback calls to a proxy, and OTEL_* would change what is recorded.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("OTEL_")
    }
