"""The generalist's one tool: looking something up in the runbooks."""

from collections.abc import Sequence

from anyio import to_thread

from services.generalist.library import Library, Shelf
from services.generalist.runbooks import Passage, Unread
from services.generalist.search import Match
from weft.core import Claim, JsonObject, JsonValue
from weft.tools import READ, Tool, tool

SEARCH = "search_runbooks"
MOST_UNREAD = 5
"""Files that are named as unread; the rest are counted."""


def search_tool(library: Library) -> Tool:
    """Return the tool over `library`."""

    @tool(name=SEARCH, labels={READ})
    async def search_runbooks(question: str) -> JsonObject:
        """Look up what the team's runbooks say.

        Args:
            question: What is to be known, in words.
        """
        return await to_thread.run_sync(_found, library, question)

    return search_runbooks


def _found(library: Library, question: str) -> JsonObject:
    shelf = library.shelf()
    matches = shelf.index.search(question)
    answer: JsonObject = {
        "summary": _summary(shelf, question, matches),
        "passages": [_shown(match.passage) for match in matches],
        "claims": [_claim(match).to_json() for match in matches],
    }
    if shelf.runbooks.unread:
        answer["problems"] = _problems(shelf.runbooks.unread)
    return answer


def _summary(shelf: Shelf, question: str, matches: Sequence[Match]) -> str:
    looked = f"{shelf.runbooks.files} file{'s'[: shelf.runbooks.files != 1]}"
    if matches:
        places = ", ".join(match.passage.place for match in matches)
        return f"the runbooks ({looked}) answer at {places}."
    lead = f"no runbook answers this ({looked} searched)."
    near = shelf.index.nearest(question)
    if not near:
        return lead
    named = "; ".join(f"{passage.place} {_title(passage)}".strip() for passage in near)
    return f"{lead} Some of its words stand at {named}."


def _shown(passage: Passage) -> JsonObject:
    return {"source": f"{passage.place} {_title(passage)}".strip(), "text": passage.text}


def _claim(match: Match) -> Claim:
    passage = match.passage
    return Claim(
        text=passage.text,
        type="specific_data",
        kind="fact",
        strength=round(match.share, 3),
        subject=passage.file,
        predicate=f"runbook line {passage.line}",
    )


def _title(passage: Passage) -> str:
    return f"({' > '.join(passage.headings)})" if passage.headings else ""


def _problems(unread: Sequence[Unread]) -> list[JsonValue]:
    named: list[JsonValue] = [
        {"file": one.file, "problem": one.reason} for one in unread[:MOST_UNREAD]
    ]
    rest = len(unread) - MOST_UNREAD
    return [*named, {"problem": f"{rest} more files were not read"}] if rest > 0 else named
