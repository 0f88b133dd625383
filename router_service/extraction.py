"""A request read by a language model: the form of a goal, with what the mesh offers in view.

What it says is held to the form, and rules read what it does not: their risk is a floor under it.
"""

from pathlib import Path

from typing_extensions import Unpack

from weft.core import Authority, JsonObject, dumps, parts_of
from weft.events import Event, preview
from weft.language import READ
from weft.loop import Agent, ModelPatience, ModelRetried, Task
from weft.models import Model
from weft.plan import fenced
from weft.routing import CapabilityIndex, GoalFrame, ModelReading, frame_schema
from weft.runs import Journal, NestedJournal, RoutedRequest

PLACE = "frame"
"""Where in a run's log the reading of its request stands."""
MOST_LISTED = 100
MOST_EARLIER = 5
LONGEST_LINE = 160
_PROMPT = (Path(__file__).parent / "prompts" / "extract.md").read_text(encoding="utf-8")
"""Read with the module: a running loop must not wait."""


class Extractor:
    """Asks a model for the frame of a request; `alone` without rules behind it."""

    def __init__(
        self, model: Model, *, alone: bool = False, **options: Unpack[ModelPatience]
    ) -> None:
        self._alone = alone
        self._agent = Agent(model, system_prompt=_PROMPT, name="extractor", **options)

    def is_for(self, request: RoutedRequest) -> bool:
        """Tell whether there is something to read that the caller has not said."""
        whole = set(GoalFrame.model_fields) <= set(request.goal or {})
        return request.agent is None and not whole and bool(request.input.strip())

    async def read(
        self,
        request: RoutedRequest,
        index: CapabilityIndex,
        authority: Authority,
        *,
        journal: Journal | None = None,
        earlier: tuple[str, ...] = (),
    ) -> ModelReading:
        """Return what the model reads, or why it reads nothing; its steps stand in `journal`."""
        away: JsonObject = {}

        def hear(event: Event) -> None:
            if isinstance(event, ModelRetried) and event.data.instead:
                away[event.data.model] = event.data.why
            if journal is not None:
                journal.emit(event)

        task = Task(
            parts_of(_asked(request, index, earlier)),
            f"{PLACE}:{journal.run_id if journal else ''}",
            authority=authority,
            output_schema=frame_schema(request.goal or {}),
            journal=None if journal is None else NestedJournal(journal, (PLACE,), tell=hear),
        )
        result = await self._agent.start(task)
        by_model = result.ok and result.generated_by == "model"
        data = result.data
        return ModelReading(
            fields=data if by_model and isinstance(data, dict) else None,
            why=next((reason.message for reason in result.reasons), "it read nothing"),
            alone=self._alone,
            usage=result.usage,
            away=away,
        )


def _asked(request: RoutedRequest, index: CapabilityIndex, earlier: tuple[str, ...]) -> str:
    capabilities = index.all()
    lines = ["Domains: " + ", ".join(sorted({"general", *index.domains()})), "Capabilities:"]
    lines += [
        f"- {capability.id}: {preview(capability.description, LONGEST_LINE)}"
        for capability in capabilities[:MOST_LISTED]
    ]
    if len(capabilities) > MOST_LISTED:
        lines.append(f"- and {len(capabilities) - MOST_LISTED} more")
    if request.goal:
        lines.append(f"Said already: {_said(request.goal)}")
    before = [fenced("an earlier request of the thread", preview(text)) for text in earlier]
    return "\n".join([*lines, *before[:MOST_EARLIER], fenced("the request", request.input[:READ])])


def _said(goal: JsonObject) -> str:
    return dumps(goal).decode()
