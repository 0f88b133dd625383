"""Ids: no two alike, in whichever process they are made."""

import subprocess
import sys

from weft.core import new_id, random_hex
from weft.core.ids import DRAWN_AT_ONCE

FORKED = """
import os
from weft.core import random_hex
random_hex(8)
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, random_hex(8).encode())
    os._exit(0)
print(random_hex(8), os.read(reading, 16).decode())
"""


def test_what_is_drawn_together_is_given_out_once_and_has_its_length() -> None:
    drawn = [random_hex(size) for size in (1, 8, 10) for _ in range(3)]
    first, second = new_id(), new_id()
    many = [random_hex(16) for _ in range(3 * DRAWN_AT_ONCE)]

    assert [len(text) for text in drawn] == [2] * 3 + [16] * 3 + [20] * 3
    assert {len(text) for text in many} == {32}
    assert len({*many}) == len(many)
    assert first != second
    assert first[:12] <= second[:12]


def test_a_forked_child_draws_its_own() -> None:
    code = [sys.executable, "-c", FORKED]
    ours, childs = subprocess.run(code, capture_output=True, check=True, text=True).stdout.split()

    assert len(ours) == len(childs) == 16
    assert ours != childs
