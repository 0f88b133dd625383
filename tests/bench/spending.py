"""What processes take of a machine: CPU time and switches by thread, and bytes written; of Linux."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from os import sysconf
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

T = TypeVar("T")

TICKS = sysconf("SC_CLK_TCK")
PROC = Path("/proc")
_USER, _SYSTEM = 11, 12
"""Among the fields behind the command, which may hold blanks itself."""


class Place(NamedTuple):
    """Where something was spent."""

    process: str
    thread: str
    """`main`, or the name that the system knows the others by."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent so far; the difference of two says what was between them."""

    user_s: Mapping[Place, float]
    system_s: Mapping[Place, float]
    switches: Mapping[Place, float]
    """Those of threads that waited for something: a lock, a socket, a disk."""
    written: Mapping[str, float]
    """Bytes for the disk, by process."""

    def since(self, before: "Spending") -> "Spending":
        return Spending(
            _less(self.user_s, before.user_s),
            _less(self.system_s, before.system_s),
            _less(self.switches, before.switches),
            _less(self.written, before.written),
        )

    @property
    def cpu_s(self) -> float:
        return sum(self.user_s.values()) + sum(self.system_s.values())


def of_children(pid: int) -> Spending:
    """Return what the living children of a process have spent."""
    return of([child.pid for child in psutil.Process(pid).children(recursive=True)])


def of(pids: list[int]) -> Spending:
    """Return what these processes have spent; one that ends meanwhile counts no more."""
    user: Counter[Place] = Counter()
    system: Counter[Place] = Counter()
    switches: Counter[Place] = Counter()
    written: Counter[str] = Counter()
    for pid in pids:
        try:
            name = _name(pid)
            written[name] += _number(PROC / str(pid) / "io", "write_bytes")
            for thread in (PROC / str(pid) / "task").iterdir():
                command, _, rest = (thread / "stat").read_text().rpartition(")")
                fields = rest.split()
                main = thread.name == str(pid)
                place = Place(name, "main" if main else command.partition("(")[2])
                user[place] += int(fields[_USER])
                system[place] += int(fields[_SYSTEM])
                switches[place] += _number(thread / "status", "voluntary_ctxt_switches")
        except FileNotFoundError:
            continue
    return Spending(_seconds(user), _seconds(system), dict(switches), dict(written))


def table(spending: Spending, runs: int) -> list[str]:
    """Return lines that say what a run took where, the dearest first; what took next to nothing not."""
    places = sorted(
        spending.user_s,
        key=lambda place: -(spending.user_s[place] + spending.system_s.get(place, 0.0)),
    )
    lines = [f"{'process':<12} {'thread':<16} {'user ms':>8} {'system ms':>9} {'switches':>8}"]
    for place in places:
        user, system = spending.user_s[place], spending.system_s.get(place, 0.0)
        if user + system > 0.0:
            lines.append(
                f"{place.process:<12} {place.thread:<16} {user / runs * 1000:>8.2f}"
                f" {system / runs * 1000:>9.2f} {spending.switches.get(place, 0) / runs:>8.1f}"
            )
    return lines


def _name(pid: int) -> str:
    """Return what of a command says which of the mesh's processes it is."""
    words = psutil.Process(pid).cmdline()
    if "-m" in words:
        module = words[words.index("-m") + 1]
        return module.removeprefix("services.").removesuffix(".main")
    return Path(words[0]).name if words else str(pid)


def _number(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.partition(":")[2])
    return 0


def _seconds(ticks: Counter[Place]) -> dict[Place, float]:
    return {place: count / TICKS for place, count in ticks.items()}


def _less(after: Mapping[T, float], before: Mapping[T, float]) -> dict[T, float]:
    return {key: value - before.get(key, 0) for key, value in after.items()}
