"""What an agent is sent reaches its model, or is refused by name."""

from base64 import b64encode

import pytest

from weft.core import Message, Part, parts_of
from weft.loop import Agent, Task
from weft.models.base import Capabilities
from weft.testing import ScriptedModel

SEEING = Capabilities(images=True)


async def sent(*parts: Part, model: ScriptedModel | None = None) -> Message:
    model = model or ScriptedModel(["ok"])
    result = await Agent(model).start(Task((*parts_of("read this"), *parts), "m"))
    assert result.ok, result
    return model.requests[0].messages[-1]


@pytest.mark.requirement("A2A-86")
async def test_text_in_a_file_is_read_as_text() -> None:
    raw = b64encode("häufig\n".encode()).decode()

    message = await sent(
        Part(bytes=raw, media_type="text/plain; charset=utf-8", filename="notes.txt"),
        Part(url="https://example.com/a.csv", media_type="text/csv", filename="a.csv"),
        Part(data=None),
    )

    assert message.content == (
        "read this\nnotes.txt:\nhäufig\n\na.csv (text/csv) lies at https://example.com/a.csv"
    )
    assert message.parts[1].filename == "notes.txt"
    assert message.parts[-1] == Part(data=None)


@pytest.mark.requirement("A2A-86")
async def test_a_model_that_sees_gets_images_as_they_are() -> None:
    image = Part(bytes="AAAA", media_type="image/png")

    message = await sent(image, model=ScriptedModel(["ok"], capabilities=SEEING))

    assert message.parts[1] == image


@pytest.mark.requirement("A2A-86")
@pytest.mark.parametrize(
    ("part", "named"),
    [
        (Part(bytes="AAAA", media_type="image/png"), "image/png"),
        (Part(url="https://x/a.png", media_type="image/png"), "image/png"),
        (Part(bytes="AAAA"), "application/octet-stream"),
        (Part(bytes="AAAA", media_type="application/pdf"), "application/pdf"),
        (Part(bytes="//79", media_type="text/plain", filename="x.txt"), "x.txt"),
    ],
)
async def test_what_the_model_cannot_read_ends_the_task_and_is_named(
    part: Part, named: str
) -> None:
    model = ScriptedModel([])

    result = await Agent(model).start(Task((*parts_of("read this"), part), "m"))

    assert (result.status, result.reasons[0].code) == ("failed", "unsupported_media_type")
    assert named in result.reasons[0].message
    assert model.requests == []
