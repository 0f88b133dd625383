"""What the `ruff` linter knows, asked as a subprocess with a deadline."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import anyio
import ruff  # type: ignore[import-untyped]
from anyio import to_thread

from services.code_analyst.findings import Finding, Severity
from services.code_analyst.source import Module
from weft.core import JsonObject, loads
from weft.tools.dataset_problems import Problem

_SELECT = "ASYNC,S113,S110,S112,BLE,SIM115"
_WITHIN = 20.0
_MOST_OUTPUT = 16 << 20
_MOST_WORDS = 200
_RULES: Mapping[str, tuple[str, Severity]] = {
    "ASYNC210": ("blocking-call-in-async", "high"),
    "ASYNC212": ("blocking-call-in-async", "high"),
    "ASYNC220": ("blocking-call-in-async", "high"),
    "ASYNC221": ("blocking-call-in-async", "high"),
    "ASYNC222": ("blocking-call-in-async", "high"),
    "ASYNC230": ("blocking-file-in-async", "low"),
    "ASYNC240": ("blocking-file-in-async", "low"),
    "ASYNC250": ("blocking-call-in-async", "high"),
    "ASYNC251": ("blocking-call-in-async", "high"),
    "S113": ("missing-timeout", "medium"),
    "S110": ("swallowed-error", "medium"),
    "S112": ("swallowed-error", "medium"),
}
_ADVICE = "see the rule's documentation"


async def linted(modules: Sequence[Module]) -> tuple[list[Finding], list[Problem]]:
    """Return what ruff finds in `modules`.

    It reads private copies of what was parsed: what stands in the data may be a pipe or lead out of
    the root by now, and its name may be one that no program takes.
    """
    findings: list[Finding] = []
    problems: list[Problem] = []
    directory = await to_thread.run_sync(_copied, modules)
    try:
        with anyio.fail_after(_WITHIN):
            await _lint(directory, modules, findings, problems)
    except TimeoutError:
        problems.append(
            Problem("ruff", f"did not end within {_WITHIN:g} s; rules of it are missing")
        )
    except OSError as error:
        problems.append(Problem("ruff", f"could not run, so its rules are missing: {error}"))
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(shutil.rmtree, directory, True)  # noqa: FBT003 - ignore errors
    return findings, problems


def _copied(modules: Sequence[Module]) -> str:
    """Write the modules into a directory that only this user may enter, numbered."""
    directory = tempfile.mkdtemp(prefix="weft-lint-")
    for number, module in enumerate(modules):
        Path(directory, f"{number}.py").write_text("\n".join(module.lines), "utf-8", newline="\n")
    return directory


async def _lint(
    directory: str,
    modules: Sequence[Module],
    findings: list[Finding],
    problems: list[Problem],
) -> None:
    """Ask for all modules at once; where that fails, for halves, until one module is to blame."""
    command = [
        await to_thread.run_sync(ruff.find_ruff_bin), "check", "--isolated", "--no-cache",
        "--exit-zero", "--ignore-noqa", "--output-format", "json", "--select", _SELECT, "--",
    ]  # fmt: skip
    by_name = {f"{number}.py": module for number, module in enumerate(modules)}
    pending = [list(by_name)]
    while pending:
        names = pending.pop()
        try:
            output = await _output([*command, *names], directory)
        except RuntimeError as error:
            if len(names) > 1:
                half = len(names) // 2
                pending += [names[half:], names[:half]]
            else:
                file = by_name[names[0]].file
                problems.append(
                    Problem(file, f"ruff fails on it, so its rules are missing: {error}")
                )
        else:
            findings += [one for each in _objects(output) if (one := _finding(each, by_name))]


async def _output(command: Sequence[str], directory: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.TaskGroup() as group:
            output = group.create_task(_read(process.stdout, _MOST_OUTPUT))
            errors = group.create_task(_read(process.stderr, _MOST_WORDS))
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()
    if process.returncode:
        words = errors.result().decode(errors="replace")
        raise RuntimeError(f"it ended with {process.returncode}: {words}")
    if len(output.result()) == _MOST_OUTPUT:
        raise RuntimeError("it says more than is read")
    return output.result()


async def _read(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """Read to the end, so that nobody waits for a reader, and keep the first `most` bytes."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(1 << 16)):
        kept += chunk[: most - len(kept)]
    return bytes(kept)


def _objects(output: bytes) -> list[JsonObject]:
    found = loads(output)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _finding(told: JsonObject, modules: Mapping[str, Module]) -> Finding | None:
    module = modules.get(PurePath(str(told.get("filename"))).name)
    line, end = _row(told.get("location")), _row(told.get("end_location"))
    code = str(told.get("code"))
    if module is None or line is None or end is None:
        return None
    rule, severity = _RULES.get(code, (code, "low"))
    message = f"{told.get('message')} ({code})"
    return Finding(
        rule, module.file, line, end, module.service, severity, message,
        str(told.get("url") or _ADVICE), module.snippet(line, end),
    )  # fmt: skip


def _row(place: object) -> int | None:
    row = place.get("row") if isinstance(place, dict) else None
    return row if isinstance(row, int) else None
