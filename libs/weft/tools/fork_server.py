"""The program that loads a tool's code once and forks a process for each call.

It is started by `exec` and has one thread, so its forks copy no lock, loop or connection of the
program that owns it. Lines of JSON come over descriptor 3, a socket beside each order to fork.
"""

import gc
import os
import resource
import select
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from importlib import import_module
from typing import Any

from weft.core import JsonObject, dumps, loads_object
from weft.tools.process_child import die_with, work

CONTROL = 3
_MOST_READ, _MOST_SOCKETS = 1 << 16, 32
_KIBI = 1024
_COLLECT_AFTER = (20_000, 20, 20)


class ForkServer:
    """Forks, kills and buries."""

    def __init__(self, control: socket.socket, owner: int) -> None:
        self._control = control
        self._owner = owner
        self._numbers: dict[int, int] = {}
        """The owner's number of each living process."""
        self._sockets: deque[int] = deque()
        self._unread = b""
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def serve(self) -> None:
        """Obey until the owner is gone, then leave no process behind."""
        signal.signal(signal.SIGCHLD, _noted)
        signal.signal(signal.SIGTERM, _noted)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        watch = select.poll()
        watch.register(self._wake, select.POLLIN)
        watch.register(self._control, select.POLLIN)
        try:
            while True:
                for descriptor, _ in watch.poll():
                    if descriptor == self._wake:
                        if signal.SIGTERM in os.read(self._wake, _MOST_READ):
                            return
                        self._bury()
                    elif not self._obey():
                        return
        finally:
            for pid in self._numbers:
                _kill(pid)
            for pid in self._numbers:
                os.waitpid(pid, 0)

    def _obey(self) -> bool:
        """Carry out what has come; False if the owner is gone."""
        try:
            content, sockets, _, _ = socket.recv_fds(self._control, _MOST_READ, _MOST_SOCKETS)
        except ConnectionError:
            return False
        if not content:
            return False
        self._sockets.extend(sockets)
        *orders, self._unread = (self._unread + content).split(b"\n")
        for order in map(loads_object, orders):
            self._carry_out(order)
        return True

    def _carry_out(self, order: JsonObject) -> None:
        match order:
            case {"load": list(modules)}:
                _load([str(module) for module in modules])
            case {"fork": int(number)}:
                self._fork(number, self._sockets.popleft())
            case {"kill": int(number)}:
                for pid in [pid for pid, other in self._numbers.items() if other == number]:
                    _kill(pid)
            case _:
                pass  # an owner of another version

    def _fork(self, number: int, descriptor: int) -> None:
        server = os.getpid()
        # From now on there is something to tidy up when the owner is killed.
        die_with(self._owner, signal.SIGTERM)
        try:
            pid = os.fork()
        except OSError as error:
            os.close(descriptor)
            self._tell({"ended": number, "refused": error.strerror or "no process can be made"})
            return
        if pid == 0:
            self._be_the_child(server, descriptor)
        os.close(descriptor)
        # On both sides, so that neither a kill nor a start of its own can come too early.
        with suppress(OSError):
            os.setpgid(pid, pid)
        self._numbers[pid] = number

    def _be_the_child(self, server: int, descriptor: int) -> None:
        """Do one job and end; never returns, and runs no exit handlers of the server."""
        code = 1
        try:
            os.setpgid(0, 0)
            die_with(server)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for end in (self._wake, self._waker, *self._sockets):
                os.close(end)
            self._control.close()
            with socket.socket(fileno=descriptor) as sock:
                work(sock)
            code = 0
        finally:
            os._exit(code)

    def _bury(self) -> None:
        """Tell of each process that ended, once nothing that it started is left."""
        for pid in list(self._numbers):
            if (ended := _buried(pid)) is None:
                continue
            status, used = ended
            job: dict[str, Any] = {
                "ended": self._numbers.pop(pid),
                "code": os.waitstatus_to_exitcode(status),
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "resident": used.ru_maxrss * _KIBI,
            }
            self._tell(job)

    def _tell(self, words: JsonObject) -> None:
        with suppress(ConnectionError):
            self._control.sendall(dumps(words) + b"\n")


def _noted(_number: int, _frame: object) -> None:
    """Let the descriptor that every signal is written to wake the server."""


def _buried(pid: int) -> tuple[int, resource.struct_rusage] | None:
    """Bury a process and end what it started; None if it lives."""
    if hasattr(os, "waitid"):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # As long as nobody has waited for it, no other group can have its number.
        _kill(pid)
    ended, status, used = os.wait4(pid, os.WNOHANG)
    return (status, used) if ended else None


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _load(modules: list[str]) -> None:
    """Import what calls will need, so that each has it at once; a call tells what is wrong."""
    for module in modules:
        with suppress(Exception):
            import_module(module)
    gc.collect()
    # The collector would write to every shared page of every process.
    gc.freeze()
    # A call makes many objects and ends soon: collecting after the usual 700 costs a tenth of it.
    gc.set_threshold(*_COLLECT_AFTER)


def main() -> None:
    """Serve the program that started this one; its process id is the only argument."""
    # Listening sockets of the owner may have come along, and would keep its port.
    os.closerange(CONTROL + 1, os.sysconf("SC_OPEN_MAX"))
    owner = int(sys.argv[1])
    die_with(owner)
    # A Ctrl-C at the terminal is the owner's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=CONTROL) as control:
        ForkServer(control, owner).serve()


if __name__ == "__main__":
    main()
