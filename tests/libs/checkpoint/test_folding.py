import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.checkpoint import memory_checkpointer
from weft.checkpoint.folding import folded, unfolded
from weft.checkpoint.rules import log
from weft.core import JsonObject, JsonValue, Path, dumps
from weft.testing.store_values import ending, running

LONG: JsonObject = {"text": "as long as a sentence " * 12}

leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3) | st.just(LONG)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["rest", "shared", "a", "0"]), inner, max_size=3)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(["rest", "shared", "text"]), values, max_size=3)
paths = st.sampled_from([(), ("a",), ("a", "b"), ("",)])


def _padded(value: JsonValue) -> JsonObject:
    return {"value": value, "padding": "x" * 4_096}


@given(objects, st.dictionaries(paths, objects, max_size=3))
def test_what_was_folded_is_read_back(result: JsonObject, steps: dict[Path, JsonObject]) -> None:
    for whole in (result, _padded(result), _padded([result, *steps.values()])):
        assert unfolded(folded(whole, steps), steps.get) == whole


def test_what_stands_in_a_step_is_not_kept_again() -> None:
    findings: list[JsonValue] = [{"line": f"{at} " + "words " * 50} for at in range(20)]
    steps: dict[Path, JsonObject] = {("look",): {"results": [{"structured": findings}]}}
    result: JsonObject = {"text": "short", "artifacts": [{"id": "call_1", "data": findings}]}

    kept = folded(result, steps)

    assert len(dumps(kept)) < 200
    assert unfolded(kept, steps.get) == result


def test_a_short_result_is_kept_as_it_is() -> None:
    result: JsonObject = {"text": "t" * 300}

    assert folded(result, {("look",): result}) is result


def test_content_that_reads_like_a_name_is_content() -> None:
    name: JsonValue = [["text"], ["look"], ["secret"]]
    result = _padded({"rest": {}, "shared": [name]})

    assert unfolded(folded(result, {}), lambda _: {"secret": "s"}) == result


def test_a_step_that_is_gone_leaves_a_gap_and_no_error() -> None:
    steps: dict[Path, JsonObject] = {("look",): {"found": [LONG] * 20}}
    result: JsonObject = {"text": "x" * 4_096, "data": [LONG] * 20}

    assert unfolded(folded(result, steps), lambda _: None) == {**result, "data": None}


@pytest.mark.parametrize(
    ("length", "recorded", "elsewhere"),
    [
        (100, 100, False),
        (100, 20_000, False),
        (4_096, 100, False),
        (4_096, 20_000, True),
        (20_000, 100, True),
    ],
)
async def test_what_is_long_is_compared_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, length: int, recorded: int, *, elsewhere: bool
) -> None:
    threads: list[int] = []

    def watched(result: JsonObject, steps: Mapping[Path, JsonObject]) -> JsonObject:
        threads.append(threading.get_ident())
        return folded(result, steps)

    monkeypatch.setattr(log, "folded", watched)
    runs = (checkpointer := memory_checkpointer()).runs
    held = await running(checkpointer)
    result: JsonObject = {"status": "completed", "parts": [{"text": "x" * length}]}

    steps: dict[Path, JsonObject] = {("look",): {"a": "y" * recorded}}
    await runs.finish(held, replace(ending(), result=result, recorded=steps))

    assert [thread != threading.get_ident() for thread in threads] == [elsewhere]
