"""What a run's row says of its request is written and read as one type per operation."""

from dataclasses import replace

import pytest

from weft.checkpoint import memory_checkpointer
from weft.core import Budget, dumps, loads_object, parts_of
from weft.core.errors import InputError
from weft.runs import AgentRequest, PeerRequest, RoutedRequest, StoredRequest
from weft.testing.store_values import new_run, started

REQUESTS: list[StoredRequest] = [
    RoutedRequest(input="why?", goal={"primary_goal": "diagnose"}, budget=Budget(tokens=9)),
    RoutedRequest(),
    AgentRequest(prompt="go", metadata={"a": [1]}, limits=Budget(seconds=2), kept=True),
    AgentRequest(),
    PeerRequest(
        message_id="m",
        sender="agent",
        parts=parts_of("go", None),
        metadata={"a": 1},
        extensions=("urn:x",),
        references=("other",),
    ),
    PeerRequest(),
]


@pytest.mark.parametrize("request_", REQUESTS)
async def test_a_request_comes_back_as_it_was_stored(request_: StoredRequest) -> None:
    new = replace(new_run(), request=request_.to_json(), operation=request_.operation)

    run = (await started(memory_checkpointer(), new)).run

    assert type(request_).of(run) == request_


@pytest.mark.parametrize("request_", REQUESTS)
def test_what_a_newer_writer_added_is_skipped(request_: StoredRequest) -> None:
    stored = loads_object(dumps({**request_.to_json(), "added": {"later": 1}}))

    assert type(request_).model_validate(stored) == request_


async def test_a_run_of_another_operation_is_refused() -> None:
    routed = (await started(memory_checkpointer(), new_run(request={"input": "x"}))).run

    with pytest.raises(InputError, match=r"'run', not a 'agent\.run'"):
        AgentRequest.of(routed)
