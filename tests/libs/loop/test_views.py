"""One event, two readers: this process sees it whole, a log and the mesh see what may be kept."""

from weft.core import Message, ToolCall
from weft.events import AnyData, Event
from weft.loop import ThinkEvent, ToolCompleteEvent, ToolStartEvent
from weft.loop.call_events import call_ended, call_started
from weft.loop.events import AgentThought, ThoughtData
from weft.loop.views import view_of
from weft.tools import ToolExecution
from weft.tools.events import ProgressData, ToolProgress

LONG = "the connection was reset by its peer; " * 400
CALL = ToolCall(id="call_1", name="look", arguments={"api_key": "k-1", "at": LONG})


def thought() -> AgentThought:
    reply = Message.assistant(LONG, tool_calls=(CALL,))
    data = ThoughtData(iteration=1, reasoning=reply.content, tool_calls=reply.tool_calls)
    return AgentThought(data=data)


def test_whole_texts_stay_in_the_process() -> None:
    event = thought()

    assert isinstance(view := view_of(event), ThinkEvent)
    assert (view.reasoning, view.tool_calls) == (LONG, (CALL,))
    written = event.to_json()
    assert LONG not in event.model_dump_json()
    assert LONG not in repr(event)
    assert isinstance(written["data"], dict)
    assert written["data"].keys() == {
        "iteration", "reasoning_preview", "has_tool_calls", "tool_call_count",
    }  # fmt: skip
    assert str(written["data"]["reasoning_preview"]).endswith("…")


def test_what_another_process_wrote_has_its_previews_only() -> None:
    read = AgentThought.model_validate(thought().to_json())

    assert read.data.reasoning_preview == thought().data.reasoning_preview
    assert (read.data.reasoning, read.data.tool_calls) == ("", ())


def test_a_call_is_shown_whole_and_logged_without_secrets_and_long_results() -> None:
    execution = ToolExecution(
        tool_call_id="call_1", name="look", content=LONG, structured={"lines": [LONG]}
    )
    start, end = call_started(CALL, "s"), call_ended(execution, "s")

    assert isinstance(began := view_of(start), ToolStartEvent)
    assert isinstance(ended := view_of(end), ToolCompleteEvent)
    assert began.arguments == CALL.arguments
    assert (ended.result, ended.structured, ended.outcome) == (LONG, {"lines": [LONG]}, "ok")
    assert "k-1" not in start.model_dump_json()
    assert LONG not in end.model_dump_json()


def test_a_failed_call_has_its_error_under_both_names() -> None:
    execution = ToolExecution(
        tool_call_id="c", name="look", content="Error: no", error="no", outcome="timeout"
    )
    event = call_ended(execution, "s")

    view = view_of(event)

    assert isinstance(view, ToolCompleteEvent)
    assert (view.error, view.outcome, view.result) == ("no", "timeout", "Error: no")
    assert event.data.error is not None
    assert (event.data.error.code, event.data.error.message) == ("timeout", "no")


def test_what_is_not_this_runs_own_is_not_shown_as_such() -> None:
    progress = ToolProgress(data=ProgressData(tool_name="t", tool_call_id="c", progress=1.0))
    forged = Event(type="agent.think", data=AnyData.model_validate({"iteration": 1}))

    assert view_of(thought().under(("call_1",))) is None
    assert view_of(forged) is None
    assert view_of(Event(type="agent.custom")) is None
    shown = view_of(progress.under(("call_1",)))
    assert shown is not None
    assert shown.path == ("call_1",)
