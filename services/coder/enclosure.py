"""A place with nothing in it but what it is given: Linux namespaces, by the system's own calls.

No root is needed where the machine lets users make namespaces. Every call that the kernel refuses
raises: whoever is in here is shut in, or not started.
"""

import ctypes
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_MOUNTS, _NEW_UTS, _NEW_IPC = 0x00020000, 0x04000000, 0x08000000
_NEW_USER, _NEW_PIDS, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16384, 1 << 18
_FLAGS = {  # as a file system tells them, and as a mount takes them
    os.ST_NOSUID: _NO_SUID,
    os.ST_NODEV: _NO_DEVICES,
    os.ST_NOEXEC: _NO_EXEC,
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
}
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "nix")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_SMALL = 16 << 20
_ON_DEATH, _DUMPABLE, _NO_NEW_PRIVILEGES, _SUBREAPER = 1, 4, 38, 36
_SET_INTERFACE, _UP = 0x8914, 0x1 | 0x40
_OTHER_USERS = (61184, 4000)
"""The first and the number of users that no account has; systemd takes its dynamic ones there."""
_NUMBER = re.compile(r"\d{1,9}")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_COUNTED_APART = (5, 14)
"""Since this Linux the processes of a user are counted in each user namespace by itself."""


def die_with_parent(number: int) -> None:
    _control(_ON_DEATH, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    _control(_SUBREAPER, 1)


def gain_nothing() -> None:
    """Let no program that is started from here gain a right by being started."""
    _control(_NO_NEW_PRIVILEGES, 1)


def keep_memory_private() -> None:
    """Let no process of the same user look into this one."""
    _control(_DUMPABLE, 0)


def other_user() -> int:
    """Return a user to be instead of root, whom no limit of processes binds."""
    first, number = _OTHER_USERS
    return first + int.from_bytes(os.urandom(4)) % number


def counts_processes_apart() -> bool:
    if os.getuid() >= _OTHER_USERS[0]:
        return True  # a user of one command
    release = [int(number) for number in _NUMBER.findall(os.uname().release)[:2]]
    return tuple(release) >= _COUNTED_APART


def leave_the_machine() -> None:
    """Go where there is no network, no other process and no mount of others; the next child is first."""
    user, group = os.geteuid(), os.getegid()
    own = _NEW_MOUNTS | _NEW_UTS | _NEW_IPC | _NEW_PIDS | _NEW_NETWORK
    _checked(_LIBC.unshare(own if user == 0 else own | _NEW_USER), "unshare")
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket() as wire:
        # Programs of the command may still talk to each other.
        fcntl.ioctl(wire, _SET_INTERFACE, struct.pack("16sh14x", b"lo", _UP))


class Root:
    """What the command will see, built below `stage`."""

    def __init__(self, stage: str, disk: int) -> None:
        self._stage = stage
        self._disk = disk
        _mount(None, "/", None, _RECURSIVE | _PRIVATE)
        _mount("tmpfs", stage, "tmpfs", _NO_SUID | _NO_DEVICES, f"mode=755,size={_SMALL}")

    def inside(self, path: str) -> str:
        return self._stage + path

    def show(self, readable: Iterable[str], place: str, linked: Iterable[Sequence[str]]) -> None:
        """Show the system, what is readable, and room for a copy at `place`, each at its own path."""
        for name in _SYSTEM:
            self._show_system(name)
        self._devices()
        self._room("/tmp", "mode=1777")  # noqa: S108 - of its own
        Path(self.inside("/var")).mkdir()
        Path(self.inside("/var/tmp")).symlink_to("/tmp")  # noqa: S108 - of its own
        binds = [(path, path) for path in readable] + [(real, seen) for real, seen in linked]
        # Whatever stands above another comes first, or it would hide it.
        for source, target in sorted([*binds, ("", place)], key=lambda pair: len(pair[1])):
            if source:
                self._bind(source, target)
            else:
                self._room(place, "mode=755")
        Path(self.inside("/proc")).mkdir()
        _mount("proc", self.inside("/proc"), "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC)

    def enter(self) -> None:
        """Make it the root of this process and of those it starts; nothing leads out."""
        _read_only(self._stage)
        os.chroot(self._stage)
        os.chdir("/")

    def _show_system(self, name: str) -> None:
        original, seen = Path("/", name), Path(self.inside(f"/{name}"))
        if original.is_symlink():
            seen.symlink_to(original.readlink())
        elif original.is_dir():
            self._bind(str(original), str(original))

    def _devices(self) -> None:
        for name in _DEVICES:
            self._bind(f"/dev/{name}", f"/dev/{name}", read_only=False)
        Path(self.inside("/dev/fd")).symlink_to("/proc/self/fd")
        self._room("/dev/shm", "mode=1777")  # noqa: S108 - of its own

    def _room(self, path: str, options: str) -> None:
        """Give room in memory at `path`, as much as a command may write."""
        target = self.inside(path)
        Path(target).mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", target, "tmpfs", _NO_SUID | _NO_DEVICES, f"{options},size={self._disk}")

    def _bind(self, source: str, path: str, *, read_only: bool = True) -> None:
        target = Path(self.inside(path))
        if Path(source).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        _mount(source, str(target), None, _BIND | _RECURSIVE)
        if read_only:
            for mounted in _mounted_at(str(target)):
                _read_only(mounted)


def _mounted_at(path: str) -> list[str]:
    """Return every mount at or below `path`, as the kernel lists them."""
    below = path.rstrip("/") + "/"
    points = [
        _unescaped(line.split(" ", 5)[4])
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return [point for point in dict.fromkeys(points) if point == path or point.startswith(below)]


def _unescaped(point: str) -> str:
    return _ESCAPE.sub(lambda digits: chr(int(digits[1], 8)), point)


def _read_only(path: str) -> None:
    # What a mount forbade already cannot be taken back with it.
    kept = os.statvfs(path).f_flag
    flags = sum(flag for shown, flag in _FLAGS.items() if kept & shown)
    _mount(None, path, None, _REMOUNT | _BIND | _READ_ONLY | flags)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _checked(_LIBC.mount(*texts, ctypes.c_ulong(flags), data), f"mount {target}")


def _control(option: int, value: int) -> None:
    _checked(_LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def _checked(outcome: int, what: str) -> None:
    if outcome != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number) if number else errno.errorcode}")
