"""Python files read and parsed, each with the service it belongs to."""

import ast
import codecs
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import decode_source
from io import BytesIO
from pathlib import PurePosixPath

from incidents import Content, DataFile, FileProblem, guarded, read_bytes
from services.code_analyst.findings import Finding, Severity

_MOST_BYTES = 1 << 20
_MOST_WEIGHT = 400_000
_ALL_WEIGHT = 2_000_000
_MARKS = ",()[]{}.:=+-*/%&|^~<>@"
_NO_TEXT = frozenset({"punycode", "idna"})
"""Python takes them for encodings of text; decoding some takes time that grows with its square."""
_SNIPPET_LINES, _SNIPPET_WIDTH = 4, 160
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed file."""

    file: str
    service: str
    tree: ast.Module
    lines: tuple[str, ...]

    @property
    def dotted(self) -> str:
        """Return the module's name below the source directory."""
        parts = PurePosixPath(self.file).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def snippet(self, line: int, end_line: int) -> str:
        shown = self.lines[line - 1 : min(end_line, line + _SNIPPET_LINES - 1)]
        return "\n".join(text[:_SNIPPET_WIDTH] for text in shown)

    def finding(
        self, at: ast.stmt | ast.expr | ast.excepthandler, rule: str, severity: Severity, *,
        message: str, advice: str,
    ) -> Finding:  # fmt: skip
        end = at.end_lineno or at.lineno
        if isinstance(at, ast.excepthandler):
            end = at.lineno
        snippet = self.snippet(at.lineno, end)
        return Finding(
            rule, self.file, at.lineno, end, self.service, severity, message, advice, snippet
        )


def parsed(files: Sequence[DataFile]) -> tuple[list[Module], list[FileProblem]]:
    """Read and parse `files`; what cannot be parsed is a problem, not an error."""
    services = services_of([file.name for file in files])
    modules: list[Module] = []
    problems: list[FileProblem] = []
    left = _ALL_WEIGHT
    for file in files:

        def tell(problem: str, name: str = file.name) -> None:
            problems.append(FileProblem(name, problem))

        with guarded(tell):
            text = _text(read_bytes(file, limit=_MOST_BYTES))
            weight = _weight(text)
            if weight > min(left, _MOST_WEIGHT):
                tell("was left out: it, or what was read before it, is too large")
                continue
            lines = tuple(text.split("\n"))
            modules.append(Module(file.name, services[file.name], ast.parse(text), lines))
            left -= weight
    return modules, problems


def _text(content: Content) -> str:
    """Return the source as Python reads it: with its mark or comment that names an encoding."""
    if content.truncated:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    encoding, _ = tokenize.detect_encoding(BytesIO(content.content).readline)
    if codecs.lookup(encoding).name in _NO_TEXT:
        raise ValueError(f"{encoding} is no encoding of source")
    return decode_source(content.content)


def _weight(text: str) -> int:
    """Estimate how many nodes its tree has, each of which takes some 200 bytes, before it has it."""
    return len(text.split()) + sum(map(text.count, _MARKS))


def services_of(names: Sequence[str]) -> dict[str, str]:
    """Name each file's service: its top directory, or its own stem where it stands at the top.

    Directories that hold everything else alone say nothing, so they are passed over.
    """
    parts = {name: PurePosixPath(name).parts for name in names}
    skip = 0
    while len({one[skip] for one in parts.values() if len(one) > skip}) == 1 and all(
        len(one) > skip + 1 for one in parts.values()
    ):
        skip += 1
    return {name: PurePosixPath(one[skip]).stem for name, one in parts.items()}


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when `function` does: nested functions and lambdas run elsewhere."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))


def written(node: ast.AST) -> str:
    """Return a dotted expression as written (`self._client.get`), or "" if it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
