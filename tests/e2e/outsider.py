"""An agent of others as a process of its own: `python -m tests.e2e.outsider FORM` prints its address."""

import asyncio
import sys

from tests.libs.a2a.outsiders import outsider


async def main(form: str) -> None:
    async with outsider(form) as agent:
        sys.stdout.write(f"ready {agent.url}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
