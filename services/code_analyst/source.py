"""Python files read and parsed, each with the service it belongs to."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.code_analyst.findings import Finding, Severity
from weft.tools.dataset_files import DataFile, Problem, read_bytes

_MOST_BYTES = 1 << 20
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


def parsed(files: Sequence[DataFile]) -> tuple[list[Module], list[Problem]]:
    """Read and parse `files`; what cannot be parsed is a problem, not an error."""
    services = services_of([file.name for file in files])
    modules: list[Module] = []
    problems: list[Problem] = []
    for file in files:
        try:
            content = read_bytes(file.path, limit=_MOST_BYTES)
            text = content.content.decode()
            tree = ast.parse(text)
        except SyntaxError as error:
            problems.append(Problem(file.name, f"line {error.lineno}: {error.msg}"))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(Problem(file.name, f"unreadable: {type(error).__name__}"))
        else:
            service = services[file.name]
            modules.append(Module(file.name, service, tree, tuple(text.splitlines())))
    return modules, problems


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
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = written(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""
