"""Tools by name."""

from collections.abc import Iterable, Iterator

from weft.core import ToolSpec
from weft.core.errors import DuplicateToolError, did_you_mean
from weft.tools.definition import Tool


class ToolRegistry:
    """Keeps tools by name, in the order they came; a snapshot is what a run holds."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.add_all(tools)

    def add(self, tool: Tool) -> None:
        """Add one tool.

        Raises:
            TypeError: It is no `Tool`.
            DuplicateToolError: The name is taken.
        """
        self.add_all((tool,))

    def add_all(self, tools: Iterable[Tool]) -> None:
        """Add all of them or none.

        Raises:
            TypeError: One is no `Tool`.
            DuplicateToolError: A name is taken.
        """
        grown = dict(self._tools)
        for tool in tools:
            if not isinstance(tool, Tool):
                raise TypeError(f"expected a Tool, got {type(tool).__name__}; decorate with @tool")
            if tool.name in grown:
                raise DuplicateToolError(tool.name)
            grown[tool.name] = tool
        self._tools = grown

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def snapshot(self) -> "ToolRegistry":
        """Return a registry that later additions do not reach."""
        return ToolRegistry(self)

    def unknown(self, name: str) -> str:
        """Say that there is no tool `name`, which is nearest, and which there are."""
        near = did_you_mean(name, self.names)
        names = f"; known: {', '.join(self.names)}" if near.startswith("; did") else ""
        return f"unknown tool {name!r}{near}{names}" if near else f"unknown tool {name!r}: no tools"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """Return what a model is told of all tools."""
        return tuple(tool.spec for tool in self)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools
