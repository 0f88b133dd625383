"""Reading code takes time in proportion to the code."""

import time
from collections.abc import Callable

import pytest

from services.code_analyst.analysis import faults_in
from services.code_analyst.source import Module
from tests.services.code_analyst.modules import module

pytestmark = pytest.mark.no_cover  # what is measured is the time

FACTOR = 9
"""Four times the code may take twice the time that would be in proportion; a square takes 16."""


def chain(n: int) -> str:
    """`n` async functions over a chain of `n` sync ones that ends in a blocking call."""
    lines = ["import time"]
    lines += [f"async def a{at}():\n    return f0()" for at in range(n)]
    lines += [f"def f{at}():\n    return f{at + 1}()" for at in range(n)]
    return "\n".join([*lines, f"def f{n}():\n    time.sleep(1)"])


def chain_of_blocks(n: int) -> str:
    """A chain in which every function blocks too."""
    lines = ["import time", "async def a():\n    return f0()"]
    lines += [f"def f{at}():\n    time.sleep(1)\n    return f{at + 1}()" for at in range(n)]
    return "\n".join([*lines, f"def f{n}():\n    time.sleep(1)"])


def opened(n: int) -> str:
    return "def f():\n" + "\n".join(f"    x{at} = open('x')" for at in range(n))


def closed(n: int) -> str:
    lines = [f"    x{at} = open('x')\n    x{at}.close()" for at in range(n)]
    return "def f():\n" + "\n".join(lines)


def held(n: int) -> str:
    """Module variables that hold connections, and calls on each."""
    lines = [f"c{at} = sqlite3.connect('x')\nc{at}.execute('x')" for at in range(n)]
    return "\n".join(["import sqlite3", *lines])


def methods(n: int) -> str:
    """A class whose methods call each other."""
    lines = [f"    async def m{at}(self):\n        self.m{at + 1}()" for at in range(n)]
    return "class C:\n" + "\n".join(lines)


def handlers(n: int) -> str:
    return "try:\n    f()\nexcept Exception:\n    pass\n" * n


def seconds(code: Module) -> float:
    """Return the CPU time of the quickest of three runs: others use this machine too."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        faults_in([code])
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "source", [chain, chain_of_blocks, opened, closed, held, methods, handlers]
)
def test_four_times_the_code_takes_about_four_times_as_long(source: Callable[[int], str]) -> None:
    small, large = module(source(500)), module(source(2000))

    assert seconds(large) < FACTOR * seconds(small) + 0.02


def test_a_long_way_is_told_in_short() -> None:
    (finding,) = [
        one for one in faults_in([module(chain(50))])[0] if one.rule == "blocking-call-in-async"
    ]

    assert finding.message.endswith(
        "calls it through f0 and f1 and f2 and f3 and f4, 45 more and f50"
    )


def test_each_blocking_call_is_told_once_however_many_reach_it() -> None:
    found, _ = faults_in([module(chain(20))])

    assert [one.rule for one in found].count("blocking-call-in-async") == 1


def test_helpers_of_the_same_name_are_both_followed() -> None:
    first = module(
        "import time\nfrom other import helper as h\nasync def a():\n    h()\n    helper()\n"
        "def helper():\n    time.sleep(1)\n",
        name="one.py",
    )
    second = module("import time\ndef helper():\n    time.sleep(2)\n", name="other.py")

    found, _ = faults_in([first, second])

    blocked = {one.file for one in found if one.rule == "blocking-call-in-async"}
    assert blocked == {"one.py", "other.py"}
