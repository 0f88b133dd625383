from weft.core import JsonObject, JsonValue, dumps
from weft.loop.steps import Steps
from weft.runs import LocalJournal
from weft.tools import ToolExecution
from weft.tools.rendering import as_text

FOUND: JsonObject = {"findings": ["é", 1.0, 1e16, None, {"deep": [True]}] * 200}


def execution(content: str, structured: JsonValue, *, shortened: bool = False) -> ToolExecution:
    return ToolExecution(
        tool_call_id="call_1",
        name="look",
        content=content,
        structured=structured,
        arguments={"at": "x"},
        shortened=shortened,
    )


async def kept(*executions: ToolExecution) -> tuple[JsonObject, tuple[ToolExecution, ...] | None]:
    """Return what is stored of results, and what the run's next owner reads."""
    journal = LocalJournal()
    await Steps(journal).keep_results(1, executions, {})
    return journal.steps["execute#1",], Steps(journal).results(1)


async def test_a_structured_result_is_kept_once_and_read_with_its_text() -> None:
    whole = execution(as_text(FOUND), FOUND)

    stored, read = await kept(whole)

    assert len(dumps(stored)) < len(dumps(FOUND)) + 500
    assert read == (whole,)


async def test_text_that_says_something_else_is_kept_beside_the_structure() -> None:
    shortened = execution('{"findings": [ … ]}', FOUND, shortened=True)
    recorded = execution("(recorded at noon)\n" + as_text(FOUND), FOUND)
    words, nothing = execution("plain words", None), execution("", None)

    _, read = await kept(shortened, recorded, words, nothing)

    assert read == (shortened, recorded, words, nothing)
