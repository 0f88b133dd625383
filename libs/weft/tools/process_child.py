"""Runs in the process of one call: takes the job, keeps its limits, tells the result."""

import ctypes
import math
import os
import pickle
import resource
import signal
import socket
import sys
import time
import traceback
from dataclasses import replace

from weft.core import JsonObject, dumps
from weft.events import Event
from weft.tools.definition import Tool
from weft.tools.events import ToolProgress
from weft.tools.interrupts import InterruptRaised
from weft.tools.not_done import proves_nothing_happened
from weft.tools.process_frames import RESULT_BYTES, TEXT_LENGTH, framed, receive
from weft.tools.process_job import PendingCall, ProcessLimits
from weft.tools.rendering import as_json

_PR_SET_PDEATHSIG = 1
_MOST_FILES = 256
_KIBI = 1024
_LONGEST_CHAIN = 20
# Made before the body runs: afterwards there may be no memory to make them with.
_OUT_OF_MEMORY = framed(b'{"says":"memory"}')
_TOO_LARGE = framed(b'{"says":"too_large"}')


def die_with(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `number` when `parent` ends; elsewhere than on Linux, do nothing.

    A killed parent can tidy up nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(1)


def work(sock: socket.socket) -> None:
    """Do the one job that comes over `sock`."""
    content = receive(sock)
    if content is None:
        return
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBI
    sock.sendall(framed(dumps({"says": "begun", "resident": resident})))
    try:
        last_word = _last_word(content, sock)
    except MemoryError:
        last_word = _OUT_OF_MEMORY
    sys.stdout.flush()
    sys.stderr.flush()
    sock.sendall(last_word)


def _last_word(content: bytes, sock: socket.socket) -> bytes:
    not_done_on: tuple[type[BaseException], ...] = ()
    try:
        job: PendingCall = pickle.loads(content)  # noqa: S301 - from the program that owns this process
        not_done_on = job.not_done_on
        _keep(job.limits)
        value = framed(dumps({"says": "value", "value": as_json(_called(job, sock))}))
    except InterruptRaised as raised:
        return framed(dumps({"says": "asks", "interrupt": raised.interrupt.to_json()}))
    except BaseException as error:  # noqa: BLE001 - a body may raise anything; its owner is told
        if _wants_memory(error):
            return _OUT_OF_MEMORY
        return framed(dumps({"says": "failed", "failure": _failure(error, not_done_on)}))
    return value if len(value) <= RESULT_BYTES else _TOO_LARGE


def _called(job: PendingCall, sock: socket.socket) -> object:
    target = job.target.found()
    fn = target.fn if isinstance(target, Tool) else target
    values = dict(job.values)
    if job.context is not None:
        here = replace(job.context, emit=_Outlet(sock))
        values |= dict.fromkeys(job.context_names, here)
    return fn(*job.target.args, **job.target.kwargs, **values)


class _Outlet:
    """Tells progress to whoever owns this process; anything else has no way out."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __call__(self, event: Event) -> None:
        if not isinstance(event, ToolProgress):
            raise TypeError(
                f"{type(event).__name__} does not leave a tool's process; it tells progress only"
            )
        progress = event.data
        step: JsonObject = {
            "progress": progress.progress,
            "total": progress.total,
            "message": progress.message[:TEXT_LENGTH],
        }
        self._sock.sendall(framed(dumps({"says": "progress", "step": step})))


def _failure(error: BaseException, not_done_on: tuple[type[BaseException], ...]) -> JsonObject:
    try:
        text = str(error)
    except Exception as unreadable:  # noqa: BLE001 - its `__str__` is the body's code too
        text = f"(its text cannot be shown: {type(unreadable).__name__})"
    trace = "".join(traceback.format_exception(error))
    return {
        "kind": type(error).__name__,
        "text": _plain(text[:TEXT_LENGTH]),
        "trace": _plain(trace[-TEXT_LENGTH:]),
        "not_done": proves_nothing_happened(error, not_done_on),
    }


def _wants_memory(error: BaseException | None) -> bool:
    """Tell whether a lack of memory is behind an error; some libraries wrap it in one of theirs."""
    for _ in range(_LONGEST_CHAIN):
        if error is None or isinstance(error, MemoryError):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, MemoryError)


def _plain(text: str) -> str:
    """Return text that JSON can hold: a lone surrogate shows as its escape."""
    return text.encode(errors="backslashreplace").decode()


def _keep(limits: ProcessLimits) -> None:
    """Limit this process, and each one it starts."""
    seconds = math.ceil(time.process_time() + limits.cpu_seconds)
    # The soft limit ends it by a signal that says why, the hard one if that signal is ignored.
    _lower(resource.RLIMIT_CPU, seconds, seconds + 1)
    _lower(resource.RLIMIT_NOFILE, _MOST_FILES, _MOST_FILES)
    # A limit of 0 does not stop dumps that the kernel pipes to a program; 1 stops both kinds.
    _lower(resource.RLIMIT_CORE, 1, 1)
    if sys.platform == "linux":
        most = _address_space() + limits.memory
        _lower(resource.RLIMIT_AS, most, most)


def _lower(kind: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def _address_space() -> int:
    """Return the bytes that the loaded code takes already."""
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - one small read per call
        return int(statm.read().split()[0]) * resource.getpagesize()
