"""What the `ruff` linter knows, asked as a subprocess with a deadline."""

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory, TemporaryFile

import ruff  # type: ignore[import-untyped]

from incidents import FileProblem
from services.code_analyst.findings import Finding, Severity
from services.code_analyst.source import Module
from weft.core import JsonObject, loads_object

_SELECT = "ASYNC,S113,S110,S112,BLE,SIM115"
_WITHIN = 20.0
_MOST_OUTPUT = 8 << 20
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


def linted(modules: Sequence[Module]) -> tuple[list[Finding], list[FileProblem]]:
    """Return what ruff finds in `modules`; blocking.

    It reads private copies of what was parsed: what stands in the data may be a pipe or lead out of
    the root by now, and its name may be one that no program takes.
    """
    findings: list[Finding] = []
    problems: list[FileProblem] = []
    try:
        with TemporaryDirectory(prefix="weft-lint-") as directory:
            for number, module in enumerate(modules):
                text = "\n".join(module.lines)
                Path(directory, f"{number}.py").write_text(text, "utf-8", newline="\n")
            _lint(directory, modules, findings, problems)
    except TimeoutError:
        words = f"did not end within {_WITHIN:g} s; rules of it are missing"
        problems.append(FileProblem("ruff", words))
    except OSError as error:
        problems.append(FileProblem("ruff", f"could not run, so its rules are missing: {error}"))
    return findings, problems


def _lint(
    directory: str,
    modules: Sequence[Module],
    findings: list[Finding],
    problems: list[FileProblem],
) -> None:
    """Ask for all modules at once; where that fails, for halves, until one module is to blame."""
    deadline = time.monotonic() + _WITHIN
    command = [
        ruff.find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--ignore-noqa",
        "--output-format", "json-lines", "--select", _SELECT, "--",
    ]  # fmt: skip
    by_name = {f"{number}.py": module for number, module in enumerate(modules)}
    pending = [list(by_name)] if by_name else []
    while pending:
        names = pending.pop()
        output, failure = b"", ""
        try:
            output = _output([*command, *names], directory, deadline - time.monotonic())
        except RuntimeError as error:
            failure = f"failed on it: {error}"
        if len(output) > _MOST_OUTPUT:
            failure = f"only its first {_MOST_OUTPUT} bytes were read"
        if failure and len(names) > 1:
            half = len(names) // 2
            pending += [names[half:], names[:half]]
            continue
        if failure:
            problems.append(FileProblem("ruff", f"{by_name[names[0]].file}: {failure}"))
        rows = _objects(output[:_MOST_OUTPUT])
        findings += [finding for row in rows if (finding := _finding(row, by_name))]


def _output(command: Sequence[str], directory: str, seconds: float) -> bytes:
    """Return what a command says, and of too much one byte more than is read.

    Raises:
        TimeoutError: It did not end in time.
        RuntimeError: It failed.
    """
    late = threading.Event()
    with (
        TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603 - the names behind `--` are our own
            command, cwd=directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        ) as process,
    ):  # fmt: skip
        timer = threading.Timer(max(seconds, 0), _end, (process, late))
        timer.start()
        try:
            output = process.stdout.read(_MOST_OUTPUT + 1) if process.stdout else b""
            if len(output) <= _MOST_OUTPUT:
                process.wait()
        finally:
            timer.cancel()
            process.kill()
        if late.is_set():
            raise TimeoutError
        if process.returncode and len(output) <= _MOST_OUTPUT:
            errors.seek(0)
            words = errors.read(_MOST_WORDS).decode(errors="replace")
            raise RuntimeError(f"it ended with {process.returncode}: {words}")
    return output


def _end(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    process.kill()


def _objects(output: bytes) -> Iterator[JsonObject]:
    """Read an object from each line; the last one may have been cut."""
    for line in output.splitlines():
        with suppress(ValueError):
            yield loads_object(line)


def _finding(row: JsonObject, modules: Mapping[str, Module]) -> Finding | None:
    module = modules.get(PurePath(str(row.get("filename"))).name)
    line, end = _line(row.get("location")), _line(row.get("end_location"))
    code = str(row.get("code"))
    if module is None or line is None or end is None:
        return None
    rule, severity = _RULES.get(code, (code, "low"))
    message = f"{row.get('message')} ({code})"
    return Finding(
        rule, module.file, line, end, module.service, severity, message,
        str(row.get("url") or _ADVICE), module.snippet(line, end),
    )  # fmt: skip


def _line(place: object) -> int | None:
    row = place.get("row") if isinstance(place, dict) else None
    return row if isinstance(row, int) else None
