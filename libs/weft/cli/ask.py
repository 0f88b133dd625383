"""`weft ask`: submits a goal, shows the run as it happens, and prints the report."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from weft.cli.answer import Answer, lines
from weft.cli.client import Gateway, UnreachableError
from weft.cli.text import json_text, one_line
from weft.cli.tree import RunTree
from weft.core import JsonObject
from weft.events import Envelope

SECOND_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal in words, with what it is about."""

    text: str
    data: Path | None = None
    """Absolute: the specialists stand elsewhere."""
    thread_id: str | None = None
    protocol: str | None = None
    agent: str | None = None
    """Who is to answer; None lets the mesh choose."""

    def body(self) -> JsonObject:
        body: JsonObject = {"input": self.text}
        if self.data is not None:
            body["metadata"] = {"data": str(self.data)}
        if self.thread_id is not None:
            body["thread_id"] = self.thread_id
        if self.protocol is not None:
            body["protocol"] = self.protocol
        if self.agent is not None:
            body["agent"] = self.agent
        return body


class DetachedError(Exception):
    """The person left; the run goes on."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"detached from run {run_id}, which goes on")
        self.run_id = run_id


async def ask(gateway: Gateway, question: Goal, *, quiet: bool = False) -> Answer:
    """Return the answer, showing progress on standard error meanwhile.

    Raises:
        UnreachableError: The gateway does not answer, or refused the request.
        DetachedError: Ctrl-C; a second one within 2 s cancels the run instead.
    """
    run_id = await submitted(gateway, question)
    if not quiet:
        sys.stderr.write(f"run {run_id}\n")
    return await tail(gateway, run_id, title=question.text, quiet=quiet)


async def submitted(gateway: Gateway, question: Goal) -> str:
    """Return the id of the run that the question became.

    Raises:
        UnreachableError: The gateway does not answer, or refused the request.
    """
    run_id = (await gateway.submit(question.body())).get("run_id")
    if not isinstance(run_id, str):
        raise UnreachableError(f"no gateway of a mesh answers at {gateway.url}")
    return one_line(run_id)


async def tail(gateway: Gateway, run_id: str, *, title: str, quiet: bool = False) -> Answer:
    """Return the answer of a run under way, as `ask` does of a new one."""
    console = Console(stderr=True, quiet=quiet)
    watching = asyncio.create_task(watch(gateway, run_id, title=title, console=console))
    leaving = asyncio.create_task(_left(gateway, run_id, console))
    try:
        await asyncio.wait({watching, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            return await watching
        await leaving
        raise DetachedError(run_id)
    finally:
        watching.cancel()
        leaving.cancel()
        await asyncio.gather(watching, leaving, return_exceptions=True)


async def watch(gateway: Gateway, run_id: str, *, title: str, console: Console) -> Answer:
    """Show the run until it ends or waits for a person, and return its answer."""
    tree = RunTree(title)
    async with aclosing(gateway.events(run_id)) as events:
        if console.is_terminal and not console.quiet:
            with Live(tree.show(), console=console, refresh_per_second=8) as live:
                async for event in _until_settled(gateway, run_id, events):
                    tree.take(event)
                    live.update(tree.show())
        else:
            async for event in _until_settled(gateway, run_id, events):
                if (line := tree.take(event)) is not None:
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return Answer.of(await gateway.run(run_id))


async def _until_settled(
    gateway: Gateway, run_id: str, events: AsyncIterator[Envelope]
) -> AsyncIterator[Envelope]:
    """Yield the events until the run ends, or waits for a person still."""
    async for event in events:
        yield event
        # An old question in the log was answered long ago, and the run went on.
        waits = event.type == "run.interrupted"
        if waits and (await gateway.run(run_id)).get("status") == "interrupted":
            return


async def _left(gateway: Gateway, run_id: str, console: Console) -> None:
    """Return once the person has left; a second Ctrl-C within 2 s cancels, and waits for the end.

    Raises:
        UnreachableError: The run could not be cancelled.
    """
    pressed = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, pressed.release)
    try:
        await pressed.acquire()
        console.print(f"detaching from {run_id}; press Ctrl-C again to cancel the run")
        try:
            async with asyncio.timeout(SECOND_SECONDS):
                await pressed.acquire()
        except TimeoutError:
            return
        await gateway.cancel(run_id, reason="canceled at the terminal")
        await pressed.acquire()
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def print_answer(answer: Answer, *, as_json: bool, command: str = "weft") -> None:
    """Write the answer to standard output."""
    if as_json:
        sys.stdout.write(json_text(answer.to_json()) + "\n")
        return
    for line in lines(answer, command=command):
        sys.stdout.write(line + "\n")
