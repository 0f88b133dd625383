"""Runs one command shut in: a program by itself, started anew for each command.

It takes an `Order` as JSON on its standard input and says what came of it, as one JSON object, on
the descriptor that its last argument names; the command's own words go to its standard output. It
knows nothing of Weft and imports nothing of it: it is read on two pages, and starts in a moment.
Linux alone gives what it needs.

Shut in, a command sees the system's programs, what it was given to read, and a copy of the project
in memory where the project is; no network, no process but its own, nobody's files. What the kernel
does not give is an error here, never a weaker place.
"""

import errno
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from services.coder import enclosure
from services.coder.order import Limits, Order

_LOOK_EVERY = 0.05
_CPU_GRACE = 1


def main() -> None:
    report = int(sys.argv[-1])
    os.set_inheritable(report, False)  # noqa: FBT003 - the library's own signature
    order: Order = json.load(sys.stdin)
    # Whoever the command will be goes through directories that are made here.
    os.umask(0o022)
    enclosure.die_with_parent(signal.SIGTERM)
    try:
        if order["shut_in"]:
            enclosure.leave_the_machine()
            first = os.fork()
            if first:
                os.waitpid(first, 0)
                return
            enclosure.die_with_parent(signal.SIGKILL)
        elif os.geteuid() == 0:
            raise PermissionError(errno.EPERM, "no limit of processes binds root")
        else:
            enclosure.adopt_orphans()
        _run(order, report)
    except OSError as error:
        _say(report, cannot=_words(error))


def _run(order: Order, report: int) -> None:
    user = None
    if order["shut_in"]:
        user = _shown(order)
    else:
        _laid_out(order)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    command = os.fork()
    if not command:
        _become(order, report, user)
    enclosure.keep_memory_private()
    _watch(command, order["limits"], report)


def _shown(order: Order) -> int | None:
    """Enter a place with the copy and what it needs; return whom to be there instead of root."""
    user = enclosure.other_user() if os.geteuid() == 0 else None
    root = enclosure.Root(order["stage"], order["limits"]["disk"])
    place = order["place"]
    linked = [(real, f"{place}/{name}") for real, name in order["linked"]]
    root.show(order["readable"], place, linked)
    _copy(order, Path(root.inside(place)), user)
    root.enter()
    return user


def _laid_out(order: Order) -> None:
    """Lay the copy out with links to what it needs."""
    place = Path(order["place"])
    _copy(order, place, None)
    for real, name in order["linked"]:
        (place / name).symlink_to(real)


_WATCHED = {signal.SIGCHLD, signal.SIGTERM}


def _copy(order: Order, place: Path, user: int | None) -> None:
    """Make the copy, with the changes in it; it belongs to whoever the command will be."""
    source, changes = Path(order["source"]), order["changes"]
    kept = [name for name in order["files"] if name not in changes]
    links = {name: None for name in kept if (source / name).is_symlink()}
    made: set[Path] = {place}
    for name, content in changes.items():
        if content is not None:
            _directory(place, name, made)
            (place / name).write_bytes(content.encode())
            if (source / name).is_file():
                (place / name).chmod((source / name).stat().st_mode & 0o777)
            made.add(place / name)
    # Links come last: nothing that is written goes through one.
    for name in (*(name for name in kept if name not in links), *links):
        _directory(place, name, made)
        _copy_file(source / name, place / name)
        made.add(place / name)
    if user is not None:
        for path in made:
            os.chown(path, user, user, follow_symlinks=False)


def _directory(place: Path, name: str, made: set[Path]) -> None:
    parent = (place / name).parent
    if parent not in made:
        parent.mkdir(parents=True, exist_ok=True)
        while parent not in made:
            made.add(parent)
            parent = parent.parent


def _copy_file(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    with source.open("rb") as read, target.open("wb") as written:
        while chunk := read.read(1 << 20):
            written.write(chunk)
    target.chmod(source.stat().st_mode & 0o777)


def _become(order: Order, report: int, user: int | None) -> None:
    """Turn this process into the command, within its limits; never returns."""
    try:
        os.setsid()
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(1, 2)
        os.chdir(order["place"])
        if user is not None:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        enclosure.gain_nothing()
        _limit(order["limits"], shut_in=order["shut_in"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.execvpe(order["argv"][0], order["argv"], order["environment"])  # noqa: S606 - what was ordered
    except OSError as error:
        _say(report, cannot=f"{order['argv'][0]} does not start: {_words(error)}")
    finally:
        os._exit(127)


def _limit(limits: Limits, *, shut_in: bool) -> None:
    processes = limits["processes"]
    if not (shut_in and enclosure.counts_processes_apart()):
        processes += sum(1 for _ in _threads_of(os.getuid()))
    cpu = limits["cpu_seconds"]
    for kind, (soft, hard) in {
        resource.RLIMIT_CPU: (cpu, cpu + _CPU_GRACE),
        resource.RLIMIT_AS: (limits["memory"],) * 2,
        resource.RLIMIT_FSIZE: (limits["file"],) * 2,
        resource.RLIMIT_NOFILE: (limits["open_files"],) * 2,
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NPROC: (processes,) * 2,
    }.items():
        most = resource.getrlimit(kind)[1]
        fits = (
            (soft, hard) if most == resource.RLIM_INFINITY else (min(soft, most), min(hard, most))
        )
        resource.setrlimit(kind, fits)


def _threads_of(user: int) -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == user:
                yield from (process / "task").iterdir()
        except OSError:
            continue


def _watch(command: int, limits: Limits, report: int) -> None:
    """Wait for the command; end it, and all that it started, at its time and its memory."""
    until = time.monotonic() + limits["seconds"]
    code, exceeded = None, None
    while code is None and exceeded is None:
        signalled = signal.sigtimedwait(_WATCHED, _LOOK_EVERY)
        code = _reaped(command)
        if signalled is not None and signalled.si_signo == signal.SIGTERM:
            exceeded = "told"
        elif sum(process.bytes for process in _descendants()) > limits["memory"]:
            exceeded = "memory"
        elif time.monotonic() > until:
            exceeded = "time"
    _end_all()
    _say(report, exit_code=code, exceeded=None if code is not None else exceeded)


def _reaped(command: int) -> int | None:
    """Take in whoever ended; return the command's exit code once it is among them."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if not ended:
            return code
        if ended == command:
            code = os.waitstatus_to_exitcode(status)


class _Process:
    """A process as its status tells it."""

    def __init__(self, directory: Path) -> None:
        values = dict(
            line.split(":", 1)
            for line in (directory / "status").read_text().splitlines()
            if ":" in line
        )
        self.id, self.parent = int(directory.name), int(values["PPid"])
        # Pages of programs are shared and can be dropped; these are what somebody must hold.
        self.bytes = sum(
            int(values.get(name, "0 kB").split()[0]) << 10 for name in ("RssAnon", "RssShmem")
        )


def _descendants() -> list[_Process]:
    children: dict[int, list[_Process]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            process = _Process(directory)
        except (OSError, KeyError, ValueError):
            continue
        children.setdefault(process.parent, []).append(process)
    listed, parents = list[_Process](), [os.getpid()]
    while parents:
        below = children.get(parents.pop(), [])
        listed += below
        parents += [process.id for process in below]
    return listed


def _end_all() -> None:
    """Kill what is left; who loses its parent becomes a child of this process, and is found again."""
    while left := _descendants():
        for process in left:
            try:
                os.kill(process.id, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _reaped(0)


def _say(report: int, **words: object) -> None:
    os.write(report, json.dumps(words).encode() + b"\n")


def _words(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
