"""`weft chat`: a thread at a prompt, or of the lines of a pipe."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from weft.cli.ask import Goal
from weft.core import new_id

PROMPT = "you> "


def chat(
    ask: Callable[[Goal], int], *, thread_id: str | None, data: Path | None, command: str
) -> int:
    """Ask line by line in one thread; `ask` prints each answer and returns its exit code.

    At a prompt it ends with Ctrl-D and returns 0; of a pipe, each of whose lines is a question, it
    returns the last code that was no success.
    """
    thread = thread_id or new_id()
    at_prompt = sys.stdin.isatty()
    if at_prompt:
        sys.stderr.write(
            f"thread {thread}; Ctrl-D ends, `{command} chat --thread {thread}` goes on\n"
        )
    code = 0
    for line in _lines(at_prompt=at_prompt):
        if line.strip():
            code = ask(Goal(line.strip(), data=data, thread_id=thread)) or code
            sys.stdout.write("\n")
            sys.stdout.flush()
    if at_prompt:
        return 0
    sys.stderr.write(f"thread {thread}\n")
    return code


def _lines(*, at_prompt: bool) -> Iterator[str]:
    if not at_prompt:
        yield from sys.stdin
        return
    with contextlib.suppress(ImportError):
        # Editing, and what was said before on the arrow keys.
        __import__("readline")
    read = partial(input, PROMPT)
    while True:
        try:
            yield read()
        except (EOFError, KeyboardInterrupt):
            sys.stderr.write("\n")
            return
