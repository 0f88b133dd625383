"""A whole mesh as a user starts it: `weft up` in a process of its own, spoken to over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.conftest import ROOT
from weft.local.ports import free_port

Frame = tuple[int | None, str, dict[str, Any]]
"""(id, event, data) of a server-sent event."""
INCIDENT = ROOT / "deploy" / "demo" / "incident"
CASE = INCIDENT / "checkout-slowdown"
START_SECONDS = 40.0


@dataclass
class UpProcess:
    """A running `weft up`."""

    home: Path
    port: int
    process: subprocess.Popen[str]
    words: list[str] = field(default_factory=list)
    """What it said so far, a line each."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        stored: dict[str, str] = json.loads((self.home / "credentials.json").read_text())
        return stored["key"]

    def listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.words.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self.words.append("[end]")
            self._changed.notify_all()

    def until_said(self, pattern: str, *, seconds: float = START_SECONDS) -> str:
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for line in self.words:
                    if re.search(pattern, line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or self.words[-1:] == ["[end]"]:
                    said = "\n".join(self.words)
                    raise AssertionError(f"never said {pattern!r}; it said:\n{said}")
                self._changed.wait(left)

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def new_key(self, name: str) -> str:
        return self.weft("keys", "create", name).stdout.strip()

    def weft(self, *arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run the CLI against this mesh."""
        return subprocess.run(
            [sys.executable, "-m", "weft.cli.main", "--home", str(self.home), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=ROOT,
        )

    def child(self, module: str) -> psutil.Process:
        """Return the process that runs `module` now."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                try:
                    if any(module in part for part in process.cmdline()):
                        return process
                except psutil.NoSuchProcess:
                    continue
        raise AssertionError(f"no process runs {module}")

    @contextmanager
    def specialist(self, name: str) -> Iterator[None]:
        """Start one more specialist by hand, as another team would, and stop it again."""
        prefix = name.upper()
        settings = {
            f"{prefix}_HOME": str(self.home),
            f"{prefix}_DATA_ROOTS": json.dumps([str(INCIDENT)]),
            f"{prefix}_DATA": str(CASE),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{name}.main"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "WEFT_MODEL": "offline:rules", **settings},
        )
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("ready ")
            yield
        finally:
            process.terminate()
            process.wait(12)
            process.stdout.close()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """Stop it as a person would and return the seconds that took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(15)
        return time.monotonic() - began


@contextmanager
def mesh_running(
    home: Path,
    *,
    data: Path | None = INCIDENT,
    project: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[UpProcess]:
    """Yield a mesh of the services in `project` that answers; `options` are more of `weft up`."""
    port = free_port()
    command = [sys.executable, "-m", "weft.cli.main", "--home", str(home), "up"]
    command += ["--port", str(port), *options]
    if data is not None:
        command += ["--data-root", str(data), "--data", str(CASE)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WEFT_MODEL": "offline:rules",
            **(environment or {}),
        },
    )
    mesh = UpProcess(home, port, process)
    listener = threading.Thread(target=mesh.listen, daemon=True)
    listener.start()
    try:
        mesh.until_said(r"ready in")
        yield mesh
    finally:
        children = mesh.children() if process.poll() is None else []
        try:
            mesh.stop()
        finally:
            for child in children:
                if child.is_running():
                    child.kill()
            if process.poll() is None:
                process.kill()
                process.wait(5)
            listener.join(5)
            assert process.stderr is not None
            process.stderr.close()


def frames(response: httpx.Response) -> Iterator[Frame]:
    """Yield (id, event, data) of a server-sent stream."""
    number: int | None = None
    kind = ""
    data = ""
    for line in response.iter_lines():
        if line.startswith("id:"):
            number = int(line[3:])
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:"):
            data = line[5:]
        elif not line and data:
            yield number, kind, json.loads(data)
            number, kind, data = None, "", ""


def follow(mesh: UpProcess, run: str, seen: list[Frame], *, until: str = "run.") -> None:
    """Add frames to `seen`, reconnecting behind the last one, until an event named `until`."""
    terminal = ("run.completed", "run.failed", "run.canceled", "run.expired")
    while True:
        last = max((number for number, _, _ in seen if number), default=0)
        headers = {"last-event-id": str(last)} if last else {}
        try:
            with (
                mesh.client() as client,
                client.stream("GET", f"/v1/runs/{run}/stream", headers=headers) as stream,
            ):
                if stream.status_code == 204:
                    return
                for frame in frames(stream):
                    seen.append(frame)
                    if frame[1] in terminal or (until != "run." and frame[1].startswith(until)):
                        return
        except httpx.HTTPError:
            continue


def until(holds: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return once `holds()`; what it looks at is another process's doing."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        os.sched_yield()
