"""A database that was opened before a fork."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = textwrap.dedent("""
    import asyncio, os, signal, sys
    from weft import Agent, WeftError, sqlite_checkpointer
    from weft.testing import FunctionModel

    store = sqlite_checkpointer(sys.argv[1])
    agent = Agent(FunctionModel(lambda _: "done"), checkpointer=store)
    print(agent.run_sync("one", thread_id="t").text, flush=True)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            agent.run_sync("two", thread_id="t")
        except WeftError as error:
            print(error, flush=True)
        asyncio.run(store.aclose())
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    print(agent.run_sync("three", thread_id="t").text, flush=True)
""")


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_is_told_that_the_database_is_its_parents(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path / "db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    parent, child, code, after = found.stdout.splitlines()
    assert (parent, code, after) == ("done", "0", "done")
    assert "open another checkpointer in the child" in child
