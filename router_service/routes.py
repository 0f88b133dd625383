"""Temporary seam."""

from collections.abc import Sequence
from dataclasses import dataclass

from router_service.execute import Asked, Compiled
from weft.catalog import Snapshot
from weft.core import JsonObject, Principal, new_id
from weft.plan import Call, Parallel, Plan, PlanCompiled
from weft.plan.events import Compiled as CompiledData


class Routes:
    def compile(self, asked: Asked, principal: Principal, known: Snapshot) -> Compiled:
        caps = sorted({c.id for e in known.entries for c in e.capabilities})
        plan = Plan(
            id="p1",
            goal=asked.input,
            protocol="specialist_fanout",
            root=Parallel(
                id="probe",
                join="synthesize",
                tolerate=max(len(caps) - 1, 0),
                branches=tuple(Call(id=c.replace(".", "_"), capability=c) for c in caps),
            ),
        )
        data = CompiledData(plan=plan.to_json(), step_count=len(caps) + 1)
        return Compiled(plan, "specialist_fanout", [PlanCompiled(data=data)])

    def explain(self, text, principal, known, *, goal, protocol) -> JsonObject:
        return {}


def compiler() -> Routes:
    return Routes()
