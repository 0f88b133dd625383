"""Nothing is carried or kept that nobody reads: it is wired through to a user, or it goes."""

import ast
import textwrap

import pytest

from tests.architecture.unread import ROOT, read_in, told_by, unread

FOR_USERS = {
    "AgentServer": "one agent behind HTTP",
    "Backlog.oldest_wait": "what a store says to whoever watches a deployment of their own",
    "MemoryCatalog": "a backend: a catalogue within one process",
    "MemoryResultStore": "given to an agent as `tool_result_store`",
    "add_provider": "how `weft.testing` adds its scripted models",
    "read_result_tool": "given to an agent beside its `tool_result_store`",
}
"""What is there for people who write on the library; each with what they do with it."""


def public() -> set[str]:
    """Return the names of `weft` itself: what they have is for its users."""
    stub = ast.parse((ROOT / "libs" / "weft" / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.asname
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }


def test_what_is_defined_is_read_or_is_for_users_of_the_library() -> None:
    for_users = public()

    unexplained = {
        f"{path}: {name}"
        for path, name in unread()
        if name not in FOR_USERS and name.partition(".")[0] not in for_users
    }

    assert unexplained == set()


def test_what_is_said_to_be_for_users_is_there_and_read_by_nobody_else() -> None:
    assert {name for _, name in unread()} >= set(FOR_USERS)


MODULE = textwrap.dedent('''
    """A module."""
    __all__ = ["Kept", "lost"]
    LIMIT = 3
    @dataclass
    class Kept:
        seen: int
        carried: int
        def told(self): ...
        def asked(self): return self.seen
    class _Hidden: ...
    def lost(): Kept(seen=1, carried=2).asked()
    @app.command()
    def registered(): ...
''')


def test_a_name_is_told_where_nothing_loads_it_whatever_sets_or_lists_it() -> None:
    tree = ast.parse(MODULE)
    read = set(read_in(tree))

    told = {name for name in told_by(tree) if name.rpartition(".")[2] not in read}

    assert told == {"LIMIT", "Kept.carried", "Kept.told", "lost"}


@pytest.mark.parametrize(
    "reader",
    [
        "print(box.carried)",
        "match box:\n    case Kept(carried=each): ...",
        "getattr(box, 'carried')",
        "load('package.module:carried')",
    ],
)
def test_a_name_is_read_where_it_is_loaded_matched_or_named_in_a_text(reader: str) -> None:
    assert "carried" in set(read_in(ast.parse(reader)))
