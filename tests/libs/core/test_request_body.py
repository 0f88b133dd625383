"""One reading of a body for every door: its type, its length, and no byte beyond the bound."""

from collections.abc import AsyncIterator

import pytest

from weft.core.edge_errors import InvalidRequestLineError
from weft.core.protocol_errors import BodyTooLargeError, MediaTypeError
from weft.core.request_body import check_type, collected, declared_length

JSON = frozenset({"application/json"})


class Sent:
    """A body that comes in pieces of ten bytes, and how many were taken."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._pieces):
            self.taken += 1
            yield b"0123456789"


@pytest.mark.parametrize(
    "types",
    [
        [],
        ["text/plain"],
        ["application/jsonp"],
        ["application/json", "application/json"],
        ["application/json; charset=utf-16"],
        ["application/json;charset=latin-1; charset=utf-8"],
    ],
)
def test_another_type_than_json_in_utf_8_is_refused(types: list[str]) -> None:
    with pytest.raises(MediaTypeError):
        check_type(types, accepted=JSON)


@pytest.mark.parametrize("text", ["application/json", 'Application/JSON ; charset="UTF-8"'])
def test_json_is_told_in_several_ways(text: str) -> None:
    check_type([text], accepted=JSON)


@pytest.mark.parametrize("lengths", [["-1"], ["1e3"], [""], ["\u0661"], ["3", "3"], ["9" * 40]])
def test_a_length_that_is_no_one_number_is_refused(lengths: list[str]) -> None:
    with pytest.raises(InvalidRequestLineError):
        declared_length(lengths)


def test_a_length_may_be_left_out() -> None:
    assert (declared_length([]), declared_length(["17"])) == (None, 17)


async def test_a_body_may_be_as_long_as_the_bound() -> None:
    assert await collected(Sent(3), most=30) == b"0123456789" * 3
    assert await collected(Sent(0), most=0) == b""


async def test_no_more_is_taken_than_shows_that_a_body_is_too_long() -> None:
    body, announced = Sent(1000), Sent(1000)

    with pytest.raises(BodyTooLargeError):
        await collected(body, most=25)
    with pytest.raises(BodyTooLargeError):
        await collected(announced, most=25, declared=26)

    assert (body.taken, announced.taken) == (3, 0)
