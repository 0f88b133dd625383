"""A service's process: it says where it is, leaves in order, and refuses in one sentence."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT

SERVICE = """
import asyncio, os, time
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from weft.core import ToolCall
from weft.core.errors import ConfigError
from weft.service.serving import Served, serve
from weft.service.settings import ServiceSettings
from weft.tools import ToolContext, call_tool, tool

async def stream(request):
    async def pieces():
        yield b"begun\\n"
        await asyncio.sleep(60)
    return StreamingResponse(pieces())

async def slow(request):
    print("asked", flush=True)
    await asyncio.sleep(60)

async def hello(request):
    return JSONResponse({"said": "hello"})

@tool(timeout=0.05)
def stuck() -> None:
    "Wait for a peer that never answers."
    time.sleep(600)

async def give_up(request):
    found = await call_tool(stuck, ToolCall(id="1", name="stuck"), ToolContext())
    return JSONResponse({"said": found.error})

@asynccontextmanager
async def announced():
    if os.environ.get("REFUSE"):
        raise ConfigError("nobody wants to hear of it")
    yield
    print("left", flush=True)

@asynccontextmanager
async def opened(listening):
    routes = [
        Route("/", hello),
        Route("/stream", stream),
        Route("/slow", slow),
        Route("/stuck", give_up),
    ]
    yield Served(Starlette(routes=routes), announced)
    print("closed", flush=True)

serve(opened, ServiceSettings(), name="demo")
"""


@contextmanager
def running(tmp_path: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "WEFT_HOME": str(tmp_path), "WEFT_LOG_LEVEL": "WARNING", **settings},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "ready"
    return url


@pytest.mark.requirement("OPS-2")
@pytest.mark.timeout(60)
def test_it_leaves_though_a_tools_body_is_stuck(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        url = ready(process)
        said = httpx.get(f"{url}/stuck", trust_env=False, timeout=30).json()["said"]

        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 0
    assert said == "timed out after 0.05 s"


@pytest.mark.requirement("OPS-2")
def test_it_answers_where_it_says_and_leaves_with_a_stream_open(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        url = ready(process)
        assert httpx.get(url, trust_env=False).json() == {"said": "hello"}

        with httpx.stream("GET", f"{url}/stream", trust_env=False, timeout=15) as stream:
            pieces = stream.iter_lines()
            assert next(pieces) == "begun"
            process.send_signal(signal.SIGTERM)
            with pytest.raises(httpx.TransportError):
                list(pieces)
        out, logged = process.communicate(timeout=60)

    assert "Exception" not in logged
    assert "Traceback" not in logged
    assert (process.returncode, out.split()) == (0, ["left", "closed"])


@pytest.mark.requirement("OPS-2")
def test_a_request_without_an_answer_is_told_to_come_back_and_logged_as_no_crash(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as process, httpx.Client(trust_env=False, timeout=60) as client:
        url = ready(process)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(client.get, f"{url}/slow")
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            process.send_signal(signal.SIGTERM)
            refused = waiting.result()
        _, logged = process.communicate(timeout=60)

    assert refused.status_code == 503
    assert refused.json()["code"] == "draining"
    assert "retry-after" in refused.headers
    assert "Exception" not in logged
    assert process.returncode == 0


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running(tmp_path, WEFT_PORT=port) as process:
            _, said = process.communicate(timeout=10)

    assert process.returncode == 1
    assert len(said.splitlines()) == 1
    assert said.startswith(f"demo: cannot listen on 127.0.0.1:{port}")


def test_what_goes_wrong_while_it_announces_itself_is_one_sentence(tmp_path: Path) -> None:
    with running(tmp_path, REFUSE="1") as process:
        out, said = process.communicate(timeout=10)

    assert (process.returncode, out) == (1, "")
    assert said == "demo: nobody wants to hear of it\n"
