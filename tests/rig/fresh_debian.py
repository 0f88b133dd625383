"""Runs the README's two commands on a new Debian 12: python3 and git, nothing else.

    python -m tests.rig.fresh_debian [demo|test ...]

It needs Linux, root, `mmdebstrap` and the package indexes that this machine uses. What is committed
is cloned into a root directory made for the trial and thrown away after it. The system's own pip
resolves nothing, whatever the indexes offer today. Exits with the first code that is not 0.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

RELEASE = "bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
LIMIT_SECONDS = {"demo": 900.0, "test": 3600.0}


def main() -> int:
    """Make the root, run the commands in it, and say how long each took."""
    commands = sys.argv[1:] or ["demo", "test"]
    if unknown := set(commands) - set(LIMIT_SECONDS):
        return _refused(f"unknown: {', '.join(sorted(unknown))}; known: demo, test")
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        return _refused("this needs root and mmdebstrap (apt-get install mmdebstrap)")
    with tempfile.TemporaryDirectory(prefix="fresh-debian-") as directory:
        root = Path(directory) / "root"
        _made(root)
        with _mounted(root):
            return max((_ran(root, command) for command in commands), default=0)


def _made(root: Path) -> None:
    """Install the smallest Debian with python3 and git, and clone the project into it."""
    began = time.monotonic()
    include = "--include=python3,git,ca-certificates"
    # The temporary directory belongs to root alone: apt's own user could not read below it.
    mode = ["--mode=root", "--variant=minbase", '--aptopt=APT::Sandbox::User "root"']
    subprocess.run(["mmdebstrap", "--quiet", *mode, include, RELEASE, str(root)], check=True)
    if AUTHORITIES.exists():
        shutil.copy(AUTHORITIES, root / AUTHORITIES.relative_to("/"))
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root / "project")], check=True)
    _say(f"a new Debian {RELEASE} with python3 and git: {time.monotonic() - began:.0f} s")


@contextmanager
def _mounted(root: Path) -> Iterator[None]:
    """Give the root what every machine has: processes, devices and a resolver."""
    resolver = Path("/etc/resolv.conf")
    if resolver.exists():
        shutil.copy(resolver, root / "etc/resolv.conf")
    if (hosts := Path("/etc/hosts")).exists():
        shutil.copy(hosts, root / "etc/hosts")
    mounts = {
        "proc": ["-t", "proc", "proc"],
        "dev": ["--rbind", "/dev"],
        "sys": ["--rbind", "/sys"],
    }
    done = []
    try:
        for name, source in mounts.items():
            subprocess.run(["mount", *source, str(root / name)], check=True)
            done.append(root / name)
            subprocess.run(["mount", "--make-rslave", str(root / name)], check=True)
        yield
    finally:
        for mount in reversed(done):
            subprocess.run(["umount", "--recursive", "--lazy", str(mount)], check=True)


def _ran(root: Path, command: str) -> int:
    began = time.monotonic()
    run = [
        "chroot",
        str(root),
        "/bin/sh",
        "-c",
        f"cd /project && exec python3 deploy/local.py {command}",
    ]
    code = subprocess.run(
        run,
        env=_environment(),
        check=False,
        timeout=LIMIT_SECONDS[command],
        stdin=subprocess.DEVNULL,
    ).returncode
    _say(f"python3 deploy/local.py {command}: exit {code}, {time.monotonic() - began:.0f} s")
    return code


def _environment() -> dict[str, str]:
    """Return a login's variables, and this machine's way to the package indexes."""
    ways = [name for name in os.environ if re.search(r"SSL|CERT|PROXY", name.upper())]
    return {
        **{name: os.environ[name] for name in ways},
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "CI": "true",
    }


def _refused(why: str) -> int:
    _say(why)
    return 2


def _say(words: str) -> None:
    sys.stdout.write(f"[fresh] {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
