"""The coder as a peer: it edits and tests a copy, and hands back a patch with the report on it.

What its model says of tests counts for nothing: the report is of a run on exactly the files that
the patch makes, by this service if the model made none.
"""

import base64
import shlex
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from anyio import to_thread

from services.coder.project import Project, ProjectError
from services.coder.running import NotRunError, Runner
from services.coder.suites import NoSuiteError, Suite, SuiteReport, is_of_tests
from services.coder.tools import LIST_FILES, RUN_TESTS, Bench
from services.coder.workspace import Workspace
from weft.core import (
    Artifact,
    JsonObject,
    JsonValue,
    Part,
    Parts,
    Reason,
    Result,
    name_digest,
    parts_of,
)
from weft.core.private_files import write_private
from weft.events import Event
from weft.loop import Agent, ModelPatience, PeerRun, Task
from weft.models import Model

__all__ = ["DIFF", "Coder"]

DIFF = "text/x-diff"
_ITERATIONS = 40
_BESIDE_TESTS = 120.0
_MOST_SHOWN = 16_000
_MOST_OUTPUT = 4_000
_BY_RULES = (
    "Writing code takes a language model, and the coder has none: set WEFT_MODEL, for example to "
    "openai:gpt-4o with OPENAI_API_KEY, and start it again. It then works on a copy of {root}, and {tests}."
)
_UNENDED = frozenset({"max_iterations", "tool_loop"})
"""Ends of a run that is a pass all the same: what it changed is tested as it is."""


@dataclass(frozen=True, slots=True)
class Coder:
    """A peer over one project."""

    name: str
    model: Model
    project: Project
    runner: Runner
    prompt: str
    home: Path
    """Where what was changed is kept, and the patches."""
    suite: Suite | None = None
    """None: what the files speak of."""
    tests: str = "tests it"
    """What it does about tests, in words that follow an `and`."""
    readable: tuple[Path, ...] = ()
    refusal: str = ""
    """Why no test may run here; "" where they may."""
    patience: ModelPatience = field(default_factory=ModelPatience)

    def start(self, task: Task) -> PeerRun:
        if self.model.capabilities.by_rules:
            words = _BY_RULES.format(root=self.project.root, tests=self.tests)
            return _Refused(Result.failed("no_applicable_tool", words))
        if self.refusal:
            return _Refused(Result.failed("no_capability", self.refusal))
        kept_in = self.home / f"{_work_of(task)}.json"
        bench = Bench(Workspace(self.project, kept_in), self.runner, self.suite, self.readable)
        return _Coding(self, bench, task)

    def agent(self, bench: Bench) -> Agent:
        return Agent(
            self.model,
            bench.tools(),
            self.prompt,
            name=self.name,
            tool_execution="sequential",
            tool_timeout=self.runner.limits["seconds"] + _BESIDE_TESTS,
            opening_tools=[LIST_FILES],
            max_iterations=_ITERATIONS,
            **self.patience,
        )


def _work_of(task: Task) -> str:
    """Return the name of the work that the task is part of: every pass of a run goes on with it."""
    run = task.authority.root_id or task.thread_id or task.message_id
    return name_digest(f"{task.authority.principal.tenant}\0{run}")


class _Refused:
    """A run that ended before it began."""

    def __init__(self, result: Result) -> None:
        self._result = result

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in tuple[Event, ...]():
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._ended().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason, grace_s
        return {"outcome": "done", "effects": []}

    async def _ended(self) -> Result:
        return self._result


class _Coding:
    """A pass: the agent's run, and what it came to."""

    def __init__(self, coder: Coder, bench: Bench, task: Task) -> None:
        self._coder = coder
        self._bench = bench
        self._task = task
        self._run: PeerRun | None = None

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for event in await self._begun():
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._ended().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        if self._run is None:
            return {"outcome": "not_started", "effects": []}
        return await self._run.cancel(reason, grace_s=grace_s)

    async def _begun(self) -> PeerRun:
        if self._run is None:
            words = await to_thread.run_sync(_so_far, self._bench.workspace)
            parts = (*self._task.parts, *(parts_of(words) if words else ()))
            self._run = self._coder.agent(self._bench).start(replace(self._task, parts=parts))
        return self._run

    async def _ended(self) -> Result:
        result = await (await self._begun())
        if result.status != "completed" and result.stop_reason not in _UNENDED:
            return result
        try:
            return await self._outcome(result)
        except (ProjectError, OSError) as error:
            return _failed(result, str(error))

    async def _outcome(self, result: Result) -> Result:
        made = await to_thread.run_sync(_made, self._bench.workspace, self._coder.home)
        if not made.changed:
            return _nothing(result)
        report, untested = None, ""
        try:
            report = await self._bench.tested()
        except (NoSuiteError, NotRunError) as error:
            untested = str(error)
        return result.model_copy(
            update={
                "status": "completed",
                "parts": made.parts(result, report, untested),
                "artifacts": _recorded(report, made),
                "partial": result.partial or result.status != "completed" or report is None,
            }
        )


def _so_far(workspace: Workspace) -> str:
    """Return what an earlier pass changed, for whoever goes on with it; "" where there was none."""
    changed = sorted(workspace.changes)
    if not changed:
        return ""
    report = workspace.tested()
    tests = "They were not tested as they are." if report is None else report.words
    return f"You changed these files before, and they are as you left them: {', '.join(changed)}. {tests}"


def _nothing(result: Result) -> Result:
    """Return what an answer without a change is: no pass, whatever it says."""
    text = "Nothing was changed: no file was edited with the tools."
    if result.text:
        text += f"\nThe coder's language model says: {result.text}"
    data: JsonObject = {
        "changed": [],
        "tested": False,
        "passed": False,
        "why": "nothing was changed",
    }
    update = {"status": "completed", "parts": parts_of(text, data), "partial": True}
    return result.model_copy(update=update)


def _recorded(report: SuiteReport | None, made: "_Patch") -> tuple[Artifact, ...]:
    if report is None:
        return ()
    return (Artifact(id=f"tests_{made.digest}", name=RUN_TESTS, data=report.to_json()),)


@dataclass(frozen=True, slots=True)
class _Patch:
    """What was changed, as a patch in a file of its own."""

    diff: str
    changed: tuple[str, ...]
    drifted: tuple[str, ...]
    file: Path
    root: Path

    @property
    def digest(self) -> str:
        return name_digest(self.diff)[:12]

    def parts(self, result: Result, report: SuiteReport | None, untested: str) -> Parts:
        """Return the answer: in words, as data, and the patch as a file."""
        content = base64.b64encode(self.diff.encode()).decode()
        patch = Part(bytes=content, media_type=DIFF, filename=self.file.name)
        words, data = self._words(result, report, untested), self._data(report, untested)
        return (*parts_of(words, data), patch)

    def _data(self, report: SuiteReport | None, untested: str) -> JsonObject:
        changed: list[JsonValue] = [*self.changed]
        if report is None:
            return {"changed": changed, "tested": False, "why": untested}
        return {"changed": changed, **report.to_json()}

    def _words(self, result: Result, report: SuiteReport | None, untested: str) -> str:
        lines = [f"No test was run: {untested}" if report is None else report.words]
        if report is not None and not report.passed:
            lines.append(_fenced(report.output[-_MOST_OUTPUT:].strip()))
        if tests := [name for name in self.changed if is_of_tests(name)]:
            lines.append(f"The patch also changes how it is tested: {', '.join(tests)}.")
        if self.drifted:
            names = ", ".join(self.drifted)
            lines.append(f"Changed in the project since they were read: {names}; it may not apply.")
        if result.text:
            lines += ["", f"The coder's language model says: {result.text}"]
        shown = self.diff[:_MOST_SHOWN]
        lines += ["", f"Nothing in {self.root} was changed. The patch:"]
        lines.append(_fenced(shown.rstrip("\n"), "diff"))
        if len(shown) < len(self.diff):
            lines.append("(its beginning; the file holds all of it)")
        apply = f"cd {shlex.quote(str(self.root))} && git apply {shlex.quote(str(self.file))}"
        return "\n".join([*lines, f"To apply it: {apply}"])


def _fenced(text: str, kind: str = "") -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{kind}\n{text}\n{fence}"


def _made(workspace: Workspace, home: Path) -> _Patch:
    diff = workspace.diff()
    file = (home / workspace.kept_in.name).with_suffix(".patch")
    write_private(file, diff.encode())
    changed, drifted = tuple(sorted(workspace.changes)), tuple(workspace.drifted())
    return _Patch(diff, changed, drifted, file, workspace.project.root)


def _failed(result: Result, message: str) -> Result:
    reasons = (Reason(code="peer_failed", message=message), *result.reasons)
    return result.model_copy(update={"status": "failed", "reasons": reasons})
