"""Fixtures that every test may use: real servers, a watch on the event loop."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.postgres import PostgresServer
from weft.local.ports import free_port

ROOT = Path(__file__).parents[1]
NATS_CONFIG = """
listen: "127.0.0.1:{port}"
max_payload: 1MB
jetstream {{ store_dir: "{store}", max_file_store: 1GB, max_memory_store: 64MB }}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def blocked_loop() -> Iterator[BlockBuster]:
    """Fail any test in which the library blocks the event loop."""
    # A PostgreSQL database has an event loop of its own, on which it may read a file of passwords.
    with blockbuster_ctx("weft", excluded_modules=["weft.checkpoint.postgres"]) as detector:
        # Coverage's own lock, taken while it notes that a line of ours ran.
        detector.functions["threading.Lock.acquire"].can_block_in(
            "coverage/collector.py", "lock_data"
        )
        yield detector


@dataclass
class NatsServer:
    """A real NATS server on loopback that can be killed and started again."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def config(self) -> str:
        return NATS_CONFIG.format(port=self.port, store=self.directory / "js")

    def start(self) -> None:
        config = self.directory / "nats.conf"
        config.write_text(self.config())
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("nats-server")), "-c", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                    return
            except OSError:
                os.sched_yield()
        raise RuntimeError("nats-server did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(5)
            self.process = None


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats", free_port())
    server.directory.mkdir()
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Return the URL of a real PostgreSQL server: the one that is named, or one started here."""
    if named := os.environ.get("WEFT_TEST_PG"):
        yield named
        return
    server = PostgresServer.made(free_port())
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Return the URL of a database without tables, whose server others share."""
    mark = "&" if "?" in postgres_server else "?"
    return f"{postgres_server}{mark}schema=t_{secrets.token_hex(8)}"
