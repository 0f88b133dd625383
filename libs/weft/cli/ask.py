"""`weft ask`: submits a goal, shows the run as it happens, and prints the report."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from weft.cli.answer import Answer, lines
from weft.cli.client import Gateway
from weft.cli.tree import RunTree
from weft.core import JsonObject
from weft.events import Envelope

SECOND_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Question:
    """A goal in words, with what it is about."""

    text: str
    data: Path | None = None
    thread_id: str | None = None
    protocol: str | None = None

    def body(self) -> JsonObject:
        body: JsonObject = {"input": self.text}
        if self.data is not None:
            body["metadata"] = {"data": str(self.data.resolve())}
        if self.thread_id is not None:
            body["thread_id"] = self.thread_id
        if self.protocol is not None:
            body["protocol"] = self.protocol
        return body


class DetachedError(Exception):
    """The person left; the run goes on."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"detached; the run goes on: {run_id}")
        self.run_id = run_id


async def ask(gateway: Gateway, question: Question, *, quiet: bool = False) -> Answer:
    """Return the answer, showing progress on standard error meanwhile.

    Raises:
        UnreachableError: The gateway does not answer, or refused the request.
        DetachedError: Ctrl-C; a second one within 2 s cancels the run first.
    """
    accepted = await gateway.submit(question.body())
    run_id = str(accepted["run_id"])
    console = Console(stderr=True, quiet=quiet)
    tree = RunTree(question.text)
    async with _interruptible(gateway, run_id, console) as gone:
        following = asyncio.create_task(_follow(gateway, run_id, tree, console))
        leaving = asyncio.create_task(gone.wait())
        await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not following.done():
            following.cancel()
            raise DetachedError(run_id)
        await following
    return Answer.of(await gateway.run(run_id))


async def _follow(gateway: Gateway, run_id: str, tree: RunTree, console: Console) -> None:
    if console.is_terminal and not console.quiet:
        with Live(tree.show(), console=console, refresh_per_second=8, transient=False) as live:
            async for event in _until_settled(gateway, run_id):
                tree.take(event)
                live.update(tree.show())
        return
    async for event in _until_settled(gateway, run_id):
        if (line := tree.take(event)) is not None:
            console.print(line, markup=False, highlight=False)


async def _until_settled(gateway: Gateway, run_id: str) -> AsyncIterator[Envelope]:
    async for event in gateway.events(run_id):
        yield event
        if event.type == "run.interrupted":
            return


@asynccontextmanager
async def _interruptible(
    gateway: Gateway, run_id: str, console: Console
) -> AsyncIterator[asyncio.Event]:
    """Yield an event that Ctrl-C sets; a second one within 2 s cancels the run before that."""
    gone = asyncio.Event()
    pressed = asyncio.Event()
    twice = asyncio.Event()
    loop = asyncio.get_running_loop()

    def press() -> None:
        (twice if pressed.is_set() else pressed).set()

    async def leave() -> None:
        await pressed.wait()
        console.print(f"detaching from {run_id}; press Ctrl-C again to cancel the run")
        try:
            async with asyncio.timeout(SECOND_SECONDS):
                await twice.wait()
            await gateway.cancel(run_id, reason="canceled at the terminal")
        except TimeoutError:
            pass
        gone.set()

    loop.add_signal_handler(signal.SIGINT, press)
    leaving = asyncio.create_task(leave())
    try:
        yield gone
    finally:
        leaving.cancel()
        loop.remove_signal_handler(signal.SIGINT)


def print_answer(answer: Answer, *, as_json: bool) -> None:
    """Write the answer to standard output."""
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
        return
    for line in lines(answer):
        sys.stdout.write(line + "\n")
