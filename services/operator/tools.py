"""The operator's tools: it looks, suggests and dry-runs freely, and acts on what was approved alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from services.operator.actions import (
    Action,
    ActionKind,
    DryRun,
    NotPossibleError,
    TargetState,
    dry_run,
    observed,
)
from services.operator.approvals import is_approved, question_about, settled_before
from services.operator.choosing import Suspected, choose
from services.operator.target import Target, TargetError
from weft.core import Claim, JsonObject, JsonValue, rfc3339
from weft.tools import EffectNotDone, InterruptRaised, Reconciled, Tool, ToolContext, tool

__all__ = ["ASK", "NO_ACTION", "REFUSED", "SAID_DONE", "SUGGEST", "UNKNOWN_EFFECT", "Hands"]

SUGGEST, ASK = "suggest_action", "ask_approval"
UNKNOWN_EFFECT = "whether it took effect is unknown"
"""How the loop words an effect of which nobody knows."""
SAID_DONE = "A person said that it is done"
NO_ACTION = "No action of mine fits"
REFUSED = "a person refused it; nothing was done"
_SEEN_WITHIN = 15.0
_LOOK_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Hands:
    """What the operator has on one target."""

    target: Target

    def looking(self) -> list[Tool]:
        """Return the tools that change nothing."""
        return [self._show(), self._suggest(), self._dry_run()]

    def acting(self) -> list[Tool]:
        """Return one tool for each kind of action."""
        return [self._restart(), self._scale(), self._flag(), self._page()]

    def _show(self) -> Tool:
        @tool(labels={"read"})
        async def show_target() -> JsonObject:
            """Show the services, flags and people of the target as they are now, and what can be done."""
            state = await self.target.state()
            return {"state": state.to_json(), "can": [*state.abilities()]}

        return show_target

    def _suggest(self) -> Tool:
        @tool(name=SUGGEST, labels={"read"})
        async def suggest_action(
            request: str,
            context: ToolContext,
            findings: str = "",
            suspects: list[JsonObject] | None = None,
        ) -> JsonObject:
            """Choose, by rules, the action that fits, with its dry run.

            Args:
                request: What is wanted, in the asker's words.
                findings: What a diagnosis found, in words.
                suspects: Whom it suspects, the most suspected first.
                context: The call.
            """
            state = await self.target.state()
            try:
                choice = choose(
                    request, findings, _suspected(suspects or ()), state, now=context.clock.now()
                )
                proposal = dry_run(choice.action, state, why=choice.why)
            except NotPossibleError as error:
                return _refusal(error, state)
            return _proposed(proposal)

        return suggest_action

    def _dry_run(self) -> Tool:
        @tool(name="dry_run", labels={"read"})
        async def dry_run_of(action: Action, why: str = "") -> JsonObject:
            """Show what an action would change, and how to undo it. Changes nothing.

            Args:
                action: What to do, to what.
                why: What speaks for it, in a sentence.
            """
            state = await self.target.state()
            try:
                return _proposed(dry_run(action, state, why=why))
            except NotPossibleError as error:
                return _refusal(error, state)

        return dry_run_of

    def asking(self) -> Tool:
        """Return the tool that asks a person, where no gate did."""

        @tool(name=ASK)
        async def ask_approval(action: Action, context: ToolContext, why: str = "") -> JsonObject:
            """Ask a person to approve one action, showing its dry run.

            Args:
                action: What to do, to what.
                why: What speaks for it, in a sentence.
                context: The call.
            """
            state = await self.target.state()
            proposal = dry_run(action, state, why=why)
            said = settled_before(action, proposal.before, context)
            if said is None:
                raise InterruptRaised(question_about(proposal, context))
            if not said:
                raise EffectNotDone(REFUSED)
            return {"approved": True, "action": action.to_json()}

        return ask_approval

    def _restart(self) -> Tool:
        @tool(idempotent=True, reconcile=self._reconciling("restart_service"), labels={"risk:high"})
        async def restart_service(service: str, context: ToolContext) -> JsonObject:
            """Restart a service. Needs an approval of exactly this."""
            return await self._done(Action(kind="restart_service", service=service), context)

        return restart_service

    def _scale(self) -> Tool:
        @tool(idempotent=True, reconcile=self._reconciling("scale_service"), labels={"risk:high"})
        async def scale_service(service: str, replicas: int, context: ToolContext) -> JsonObject:
            """Let a service run with so many processes. Needs an approval of exactly this."""
            action = Action(kind="scale_service", service=service, replicas=replicas)
            return await self._done(action, context)

        return scale_service

    def _flag(self) -> Tool:
        @tool(idempotent=True, reconcile=self._reconciling("set_flag"), labels={"risk:high"})
        async def set_flag(
            service: str,
            flag: str,
            on: bool,  # noqa: FBT001 - read off its name by models
            context: ToolContext,
        ) -> JsonObject:
            """Turn a feature flag of a service on or off. Needs an approval of exactly this."""
            action = Action(kind="set_flag", service=service, flag=flag, on=on)
            return await self._done(action, context)

        return set_flag

    def _page(self) -> Tool:
        @tool(idempotent=True, reconcile=self._reconciling("page_person"), labels={"risk:high"})
        async def page_person(who: str, message: str, context: ToolContext) -> JsonObject:
            """Page somebody. Needs an approval of exactly this."""
            return await self._done(Action(kind="page_person", who=who, message=message), context)

        return page_person

    def _reconciling(self, kind: ActionKind) -> Callable[[str, JsonObject], Awaitable[Reconciled]]:
        """Return what asks the target for the outcome of an operation whose answer was lost."""

        async def reconcile(key: str, arguments: JsonObject) -> Reconciled:
            outcome = await self.target.outcome(key)
            if outcome.kind != "done":
                return outcome
            action = Action.model_validate({"kind": kind, **arguments})
            state = await self.target.state()
            after = observed(action, state)
            # Who knew what it was before is gone with the process that did it.
            seen = None if _shows(action, {}, after) else ""
            return Reconciled("done", _outcome(action, {}, after, name=state.name, unseen=seen))

        return reconcile

    async def _done(self, action: Action, context: ToolContext) -> JsonObject:
        """Carry out an approved action, and say what the target shows before and after.

        Raises:
            EffectNotDone: It is not approved, or the state is another than the one approved.
            TargetError: Whether it was done is unknown.
        """
        state = await self._state_before()
        before = observed(action, state)
        if not is_approved(action, before, context):
            raise EffectNotDone(
                "no approval covers it: nobody approved this action, or what it is about has changed "
                f"since (it is now: {before}). Nothing was done; ask again, so that the new state is shown"
            )
        await self.target.perform(action, key=context.idempotency_key or "")
        return await self._seen(action, before, state.name)

    async def _state_before(self) -> TargetState:
        try:
            return await self.target.state()
        except TargetError as error:
            raise EffectNotDone(str(error)) from error

    async def _seen(self, action: Action, before: JsonObject, name: str) -> JsonObject:
        """Return what the target shows of what was done, once it shows it."""
        after: JsonObject = {}
        problem = ""
        with anyio.move_on_after(_SEEN_WITHIN):
            while True:
                try:
                    after = observed(action, await self.target.state())
                    problem = ""
                except TargetError as error:
                    problem = f" ({error})"
                if _shows(action, before, after):
                    break
                await asyncio.sleep(_LOOK_EVERY)
        verified = _shows(action, before, after)
        return _outcome(action, before, after, name=name, unseen=None if verified else problem)


def _suspected(suspects: Sequence[JsonObject]) -> list[Suspected]:
    return [Suspected(str(each.get("subject")), each.get("is_cause") is True) for each in suspects]


def _refusal(error: NotPossibleError, state: TargetState) -> JsonObject:
    able = [f"  - {line}" for line in state.abilities()]
    lines = [f"{NO_ACTION}: {error}. Nothing was done.", "What I can do:", *able]
    if not able:
        lines[1:] = [f"{state.name} offers nothing that I could do."]
    # A claim, so that it is kept whatever a model makes of it.
    claim = Claim(text=lines[0], type="neg_evidence", evidence_refs=("#/refusal",))
    return {"refusal": "\n".join(lines), "claims": [claim.to_json()]}


def _proposed(proposal: DryRun) -> JsonObject:
    claim = Claim(
        text=f"Proposed: {proposal.text}",
        type="tool_match",
        kind="recommendation",
        evidence_refs=("#/before",),
        subject=proposal.action.service or proposal.action.who,
        predicate=proposal.action.kind,
    )
    return {**proposal.to_json(), "words": proposal.words(), "claims": [claim.to_json()]}


def _shows(action: Action, before: JsonObject, after: JsonObject) -> bool:
    """Tell whether the target shows what was wanted; a page it shows nowhere."""
    match action.kind:
        case "set_flag":
            return after.get("on") == action.on
        case "scale_service":
            return after.get("replicas") == action.replicas
        case "restart_service":
            return bool(after) and after.get("started_at") != before.get("started_at")
        case _:
            return True


def _outcome(
    action: Action, before: JsonObject, after: JsonObject, *, name: str, unseen: str | None
) -> JsonObject:
    done = _DONE[action.kind].format(
        service=action.service, flag=action.flag, replicas=action.replicas, who=action.who,
        turned="on" if action.on else "off",
    )  # fmt: skip
    lines = [f"Done, once: {done}."]
    if action.kind != "page_person":
        was = _plain(before) if before else "not known any more"
        lines.append(f"Before: {was}. After, read back from {name}: {_plain(after)}.")
    if unseen is not None:
        lines.append(
            f"{name} took it, but does not show it yet{unseen}: look again before relying on it."
        )
    claim = Claim(
        text=f"{done}.",
        type="tool_match",
        evidence_refs=("#/after",),
        subject=action.service or action.who,
        predicate=action.kind,
    )
    return {
        "action": action.to_json(),
        "before": before,
        "after": after,
        "verified": unseen is None,
        "text": "\n".join(lines),
        "claims": [claim.to_json()],
    }


_DONE = {
    "restart_service": "{service} was restarted",
    "scale_service": "{service} was scaled to {replicas} processes",
    "set_flag": "the flag {flag} of {service} was turned {turned}",
    "page_person": "{who} was paged",
}


def _plain(values: JsonObject) -> str:
    words = (f"{name}={_word(name, value)}" for name, value in values.items())
    return ", ".join(words) or "nothing shown"


def _word(name: str, value: JsonValue) -> str:
    if name.endswith("_at") and isinstance(value, int | float):
        return rfc3339(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
