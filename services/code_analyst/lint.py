"""What the `ruff` linter knows, asked as a subprocess with a deadline."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import ruff  # type: ignore[import-untyped]
from anyio import to_thread

from services.code_analyst.findings import Finding, Severity
from services.code_analyst.source import Module
from weft.core import JsonObject, loads
from weft.tools.dataset_files import Problem

_SELECT = "ASYNC,S113,S110,S112,BLE,SIM115"
_WITHIN = 20.0
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


async def linted(directory: Path, modules: Sequence[Module]) -> tuple[list[Finding], list[Problem]]:
    """Return what ruff finds in `modules`, which stand below `directory`."""
    command = [
        await to_thread.run_sync(ruff.find_ruff_bin), "check", "--isolated", "--no-cache",
        "--exit-zero", "--ignore-noqa", "--output-format", "json", "--select", _SELECT,
        "--", str(directory),
    ]  # fmt: skip
    try:
        with anyio.fail_after(_WITHIN):
            output = await _output(command)
    except TimeoutError:
        return [], [Problem("ruff", f"did not end within {_WITHIN:g} s; its rules are missing")]
    except (OSError, RuntimeError) as error:
        return [], [Problem("ruff", f"could not run, so its rules are missing: {error}")]
    by_path = {str(directory / module.file): module for module in modules}
    return [found for each in _objects(output) if (found := _finding(each, by_path))], []


async def _output(command: Sequence[str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()
    if process.returncode:
        raise RuntimeError(errors.decode(errors="replace")[:200])
    return output


def _objects(output: bytes) -> list[JsonObject]:
    found = loads(output)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _finding(told: JsonObject, modules: Mapping[str, Module]) -> Finding | None:
    module = modules.get(str(told.get("filename")))
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
