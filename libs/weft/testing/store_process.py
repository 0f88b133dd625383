"""A process of its own that uses a database, to be raced with or killed by a contract.

`python -m weft.testing.store_process <task> <url> [<argument> ...]` prints one line for each thing
that was acknowledged.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from itertools import count

from weft.checkpoint import Checkpointer, EffectOutcome, Held, ThreadKey, get_checkpointer
from weft.core import RunId
from weft.core.errors import StaleThreadError
from weft.events import Event
from weft.testing.store_values import RUNS, effect, ending, new_run, running, step, thread_of

APPENDS = 50


async def work(them: Checkpointer) -> None:
    """Carry out run after run for ever, saying of each when all it did was acknowledged."""
    for number in count():
        new = new_run()
        accepted = await them.runs.accept(new, on_busy="reject", owner="child")
        assert accepted.claimed is not None
        held, key = accepted.claimed.held, thread_of(accepted.run)
        await them.runs.append(held, 1, [Event(type="agent.custom")])
        await them.runs.record_step(held, step())
        await them.effects.intend(held, effect(f"{new.run_id} effect"))
        await them.effects.settle(held, f"{new.run_id} effect", 1, EffectOutcome("done", number))
        await them.threads.append(key, [str(number).encode()], expected=0, fence=held)
        await them.runs.finish(held, ending())
        _say(new.run_id)


async def hold(them: Checkpointer) -> None:
    """Claim a run, intend an effect, and hang."""
    held = await running(them)
    await them.effects.intend(held, effect("held"))
    _say(held.run_id)
    await asyncio.Event().wait()


async def claim(them: Checkpointer) -> None:
    """Claim until nothing is left, saying which runs nobody held before."""
    await _told_to_go(them)
    while claimed := await them.runs.claim("child", RUNS, limit=1):
        for claim in claimed:
            if claim.held.epoch == 1:
                _say(claim.run.run_id)


async def append(them: Checkpointer, name: str, run_id: str, thread_id: str) -> None:
    """Add `APPENDS` entries to a thread that others write as well."""
    key, held, version = ThreadKey("acme", "alice", thread_id), Held(RunId(run_id), 1), 0
    await _told_to_go(them)
    for number in range(APPENDS):
        entry = f"{name}:{number}".encode()
        while True:
            try:
                version = await them.threads.append(key, [entry], expected=version, fence=held)
                break
            except StaleThreadError as error:
                version = error.actual
        _say(entry.decode())


TASKS: Mapping[str, Callable[..., Awaitable[None]]] = {
    "work": work,
    "hold": hold,
    "claim": claim,
    "append": append,
}


async def _told_to_go(them: Checkpointer) -> None:
    await them.ping()
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(task: str, url: str, *arguments: str) -> None:
    async with aclosing(get_checkpointer(url)) as them:
        await TASKS[task](them, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
