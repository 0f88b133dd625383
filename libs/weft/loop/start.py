"""The first state of a run: instructions, earlier turns, and what is asked now."""

from collections.abc import Iterator, Sequence
from functools import partial

import anyio.to_thread

from weft.core import Message
from weft.core.contained import contained_call
from weft.core.storable import storable
from weft.loop.append_only import Grown
from weft.loop.given import GivenArguments
from weft.loop.invocation import Invocation, Setup
from weft.loop.readable import readable
from weft.loop.state import CONFIDENCE_THRESHOLD, AgentState

UNKNOWN_OUTCOME = (
    "the run was stopped while this call was under way: its outcome is unknown, and it was not"
    " made again"
)


def blank_state(setup: Setup, invocation: Invocation) -> AgentState:
    """Return the state before anything was said."""
    config = setup.config
    reflexion = config.reflexion_config
    now = setup.clock.now()
    return AgentState(
        run_id=invocation.run_id,
        agent_id=setup.agent_id,
        max_iterations=config.max_iterations,
        confidence_threshold=reflexion.threshold if reflexion else CONFIDENCE_THRESHOLD,
        metadata={**config.metadata, **invocation.metadata},
        started_at=now,
        updated_at=now,
    )


async def first_state(
    state: AgentState, setup: Setup, invocation: Invocation, *, given: GivenArguments
) -> AgentState:
    """Return a blank state with all that the first model call is told."""
    prompt = setup.config.system_prompt
    if isinstance(prompt, str):
        instructions = prompt
    else:
        asking = partial(contained_call, partial(prompt, state))
        instructions = await anyio.to_thread.run_sync(asking, abandon_on_cancel=True)
    # One message: not every server takes a second one of the system's.
    instructions = "\n\n".join(filter(None, (instructions, given.words)))
    messages = Grown([Message.system(storable(instructions))] if instructions else [])
    messages = messages.plus(*mended(invocation.history), prompt_message(invocation, setup))
    return state.with_messages(*messages)


def prompt_message(invocation: Invocation, setup: Setup) -> Message:
    """Return the message that the run answers.

    Raises:
        MediaTypeError: The agent's model cannot read it.
    """
    images = setup.model.capabilities.images
    return Message(role="user", parts=readable(invocation.parts, images=images))


def mended(history: Sequence[Message]) -> Iterator[Message]:
    """Yield `history` with one result for each tool call, right behind its reply."""
    results = {message.tool_call_id: message for message in history if message.role == "tool"}
    for message in history:
        if message.role != "tool":
            yield message
        for call in message.tool_calls:
            content = f"Error: {UNKNOWN_OUTCOME}"
            yield results.get(call.id) or Message.tool(content, call=call)
