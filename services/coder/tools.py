"""The coder's tools: it reads, edits and tests a copy of the project, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from anyio import to_thread

from services.coder.programs import environment_of, needed_by, program_of
from services.coder.running import Command, Runner
from services.coder.suites import NoSuiteError, Suite, SuiteReport, found_suite
from services.coder.workspace import RefusedError, Workspace
from weft.core import JsonObject, JsonValue
from weft.tools import READ, Tool, tool

__all__ = ["LIST_FILES", "RUN_TESTS", "Bench"]

LIST_FILES = "list_files"

RUN_TESTS = "run_tests"
"""The tool that the card declares: what it recorded decides whether the tests passed."""
MOST_LISTED = 400
MOST_LINES = 400
MOST_MATCHES = 60
LONGEST_LINE = 300
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bench:
    """One task's workspace with what tests it."""

    workspace: Workspace
    runner: Runner
    suite: Suite | None
    """None: what the files speak of."""
    readable: Sequence[Path] = ()

    def tools(self) -> list[Tool]:
        return [self._list(), self._search(), self._read(), self._write(), self._replace(),
                self._delete(), self._run_tests()]  # fmt: skip

    async def tested(self) -> SuiteReport:
        """Return the report on the files as they are; run the tests where there is none yet.

        Raises:
            NoSuiteError: There is no command that tests the project.
            NotRunError: It did not run.
        """
        kept = await to_thread.run_sync(self.workspace.tested)
        return kept or await self._ran()

    async def _ran(self) -> SuiteReport:
        suite, command = await to_thread.run_sync(self._command)
        report = suite.report(await self.runner.run(command))
        await to_thread.run_sync(self.workspace.keep_report, report)
        return report

    def _command(self) -> tuple[Suite, Command]:
        workspace, root = self.workspace, self.workspace.project.root
        suite = self.suite or found_suite(root, workspace.files(), self.workspace.words_of)
        program = program_of(suite.argv[0], root)
        if program is None:
            raise NoSuiteError(f"there is no program {suite.argv[0]} here: set CODER_TEST_COMMAND")
        return suite, Command(
            (program, *suite.argv[1:]),
            environment_of(program, root),
            workspace.copied(),
            needed_by(program, self.readable),
        )

    def _list(self) -> Tool:
        @tool(name=LIST_FILES, labels={READ})
        async def list_files(below: str = "") -> JsonObject:
            """List the files of the project.

            Args:
                below: A directory, to list only what is in it.
            """
            files = await to_thread.run_sync(self.workspace.files)
            start = below.strip().strip("/")
            listed = [name for name in files if not start or name.startswith(f"{start}/")]
            return {"files": [*listed[:MOST_LISTED]], "of": len(listed)}

        return list_files

    def _search(self) -> Tool:
        @tool(labels={READ})
        async def search(words: str) -> JsonObject:
            """Find the lines of the project that hold exactly these words, whatever the case.

            Args:
                words: Part of a line.
            """
            return await to_thread.run_sync(self._matches, words)

        return search

    def _matches(self, words: str) -> JsonObject:
        wanted = words.casefold()
        if not wanted.strip():
            raise RefusedError("say which words to look for")
        matches = list[JsonValue]()
        for name in self.workspace.files():
            lines = self.workspace.words_of(name).split("\n")
            for number, line in enumerate(lines, start=1):
                if wanted in line.casefold():
                    matches.append(f"{name}:{number}: {line.strip()[:LONGEST_LINE]}")
            if len(matches) > MOST_MATCHES:
                return {"matches": matches[:MOST_MATCHES], "more": True}
        return {"matches": matches, "more": False}

    def _read(self) -> Tool:
        @tool(name="read_file", labels={READ})
        async def read_file(path: str, first: int = 1) -> JsonObject:
            """Read a file, a few hundred lines at a time.

            Args:
                path: Its path below the project.
                first: The line to begin with, from 1.
            """
            text = await to_thread.run_sync(self.workspace.read, path)
            lines = text.split("\n")
            start = max(first, 1) - 1
            return {
                "text": "\n".join(lines[start : start + MOST_LINES]),
                "first": start + 1,
                "lines": len(lines),
            }

        return read_file

    def _write(self) -> Tool:
        @tool
        async def write_file(path: str, text: str) -> JsonObject:
            """Make a file, or give it another text as a whole.

            Args:
                path: Its path below the project.
                text: All that it is to hold.
            """
            return {"changed": await self._changed(lambda: self.workspace.write(path, text))}

        return write_file

    def _replace(self) -> Tool:
        @tool
        async def replace_in_file(path: str, old: str, new: str) -> JsonObject:
            """Put `new` in place of `old`, which stands in the file exactly once.

            Args:
                path: Its path below the project.
                old: What stands there now, with its line breaks and spaces.
                new: What is to stand there.
            """
            return {"changed": await self._changed(lambda: self._replaced(path, old, new))}

        return replace_in_file

    def _replaced(self, path: str, old: str, new: str) -> str:
        text = self.workspace.read(path)
        if (times := text.count(old) if old else 0) != 1:
            raise RefusedError(
                f"the text to replace stands {times} times in {path}, and must stand there once: "
                "read the file, and give more of the lines around it"
            )
        return self.workspace.write(path, text.replace(old, new))

    def _delete(self) -> Tool:
        @tool
        async def delete_file(path: str) -> JsonObject:
            """Take a file out of the project.

            Args:
                path: Its path below the project.
            """
            return {"changed": await self._changed(lambda: self.workspace.write(path, None))}

        return delete_file

    async def _changed(self, change: Callable[[], str]) -> str:
        return await to_thread.run_sync(change)

    def _run_tests(self) -> Tool:
        @tool(name=RUN_TESTS, labels={READ})
        async def run_tests() -> JsonObject:
            """Run the project's tests on the files as they are now."""
            return (await self._ran()).to_json()

        return run_tests
