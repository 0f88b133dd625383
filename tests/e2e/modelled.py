"""A language model behind the wire for a whole mesh: a scripted server, and who is told of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal

from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import WireReply


@contextmanager
def scripted(replies: Sequence[WireReply]) -> Iterator[ScriptedOpenAIServer]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(ScriptedOpenAIServer(replies)) as server,
    ):
        yield server


def environment(base_url: str, *, service: str = "WEFT") -> dict[str, str]:
    """Return what has `service`, or every one of them, ask the server at that address."""
    return {
        f"{service}_MODEL": "openai:scripted",
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "k",
    }
