"""Content at the front door: what is taken, what is refused by its type, what an answer shows."""

import httpx
import pytest

from weft.core import JsonObject, Part
from weft.server.parts import shown_part


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"data": None}, "application/json"),
        ({"file": {"url": "https://x/a.png", "media_type": "image/png"}}, "image/png"),
        ({"file": {"bytes": "AAAA", "filename": "a"}}, "application/octet-stream"),
    ],
)
async def test_a_part_that_no_goal_takes_is_refused_by_its_type(
    ana: httpx.AsyncClient, part: JsonObject, named: str
) -> None:
    said = [{"role": "user", "content": [{"text": "look"}, part]}]

    answer = await ana.post("/v1/runs", json={"input": said})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    "part",
    [{}, {"text": None}, {"text": "a", "data": 1}, {"file": {}}, {"file": {"url": "a", "bytes": "b"}},
     {"text": "a", "file": {"url": "a"}}, {"image": "a"}, {"text": 5}],
)  # fmt: skip
async def test_a_part_that_is_none_is_refused(ana: httpx.AsyncClient, part: JsonObject) -> None:
    said = [{"role": "user", "content": [{"text": "look"}, part]}]

    answer = await ana.post("/v1/runs", json={"input": said})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/input")


def test_every_part_of_an_answer_is_shown() -> None:
    parts = (
        Part(text="a"),
        Part(data=None, metadata={"m": 1}),
        Part(bytes="AAAA", media_type="image/png", filename="a.png"),
        Part(url="https://x/"),
    )

    assert [shown_part(part) for part in parts] == [
        {"text": "a"},
        {"data": None, "metadata": {"m": 1}},
        {"file": {"bytes": "AAAA", "media_type": "image/png", "filename": "a.png"}},
        {"file": {"url": "https://x/", "media_type": None, "filename": None}},
    ]
