"""Each protocol through a whole mesh over HTTP: with a language model behind the wire, and without."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.conftest import ROOT
from tests.e2e.asking import Run, answered, asked, canceled, completed, failure
from tests.e2e.mesh import UpProcess, mesh_running
from tests.e2e.modelled import environment, scripted
from tests.e2e.till import RUNBOOK, Operated, operated, write_case
from tests.e2e.trees import checked_tree
from weft.core import JsonObject
from weft.routing import GoalFrame
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import Matching, Script, WireCall, WireReply

pytestmark = pytest.mark.timeout(180)
SERVICES = ("generalist", "log_analyst", "operator", "trace_analyst")
READS, PLANS, WORKS, CHECKS = "You read one request", "You plan", "You carry out", "You check"
ARGUES, RULES, CODES, LOGS = "You argue", "You decide between", "You write code", "the log analyst"
LOOKS_UP, TRACES = "from its own runbooks", "the trace analyst"
DOMAIN = "observability"


@pytest.fixture(scope="module")
def shop() -> Iterator[Operated]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(operated()) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with fewer services, a case and a runbook."""
    place = tmp_path_factory.mktemp("protocols")
    write_case(place / "data" / "till")
    (place / "books").mkdir()
    (place / "books" / "disk.md").write_text(RUNBOOK)
    (place / "project" / "services").mkdir(parents=True)
    for name in SERVICES:
        (place / "project" / "services" / name).symlink_to(ROOT / "services" / name)
    for name in ("router_service", "gateway"):
        (place / "project" / name).symlink_to(ROOT / name)
    return place


def options(place: Path, shop: Operated) -> list[str]:
    data = ["--data-root", str(place / "data"), "--data", str(place / "data" / "till")]
    return [*data, "--runbooks", str(place / "books"), "--operate", shop.url]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedOpenAIServer]:
    with scripted(()) as running:
        yield running


@pytest.fixture(scope="module")
def mesh(place: Path, shop: Operated, server: ScriptedOpenAIServer) -> Iterator[UpProcess]:
    with mesh_running(
        place / "modelled",
        data=None,
        project=place / "project",
        environment=environment(server.base_url),
        options=options(place, shop),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def offline(place: Path, shop: Operated) -> Iterator[UpProcess]:
    with mesh_running(
        place / "offline",
        data=None,
        project=place / "project",
        options=options(place, shop),
    ) as running:
        yield running


def says(role: str, text: str | JsonObject, *, of: str = "") -> Matching:
    """Return a reply for who is told to be `role`, and, of several, for the one asked about `of`."""

    def meant(body: JsonObject) -> bool:
        messages: Any = body["messages"]
        return role in json.dumps(messages[0]) and of in json.dumps(messages[1:])

    return meant, WireReply(text=text if isinstance(text, str) else json.dumps(text))


def goal(name: str, **more: object) -> Matching:
    """Return how a model reads the request."""
    return says(READS, GoalFrame.model_validate({"primary_goal": name, **more}).to_json())


def verdict(choice: str, reasons: str = "") -> JsonObject:
    return {"choice": choice, "reasons": reasons}


def position(words: str, *, abstained: bool = False) -> JsonObject:
    return {"position": words, "abstained": abstained}


def play(server: ScriptedOpenAIServer, *replies: Matching) -> None:
    """Let the model say this and nothing else from here on."""
    server.script = Script([*replies])
    server.requests.clear()


def spoken(server: ScriptedOpenAIServer, role: str) -> list[str]:
    """Return what was sent to whoever is told to be `role`, beside what he is told to be."""
    sent: list[Any] = [request.body["messages"] for request in server.requests]
    return [json.dumps(messages[1:]) for messages in sent if role in json.dumps(messages[0])]


def calls(server: ScriptedOpenAIServer) -> int:
    return len(server.requests)


def test_a_plan_is_carried_out_and_mended_by_what_its_validator_says(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(
        server,
        goal("build", complexity="medium"),
        says(PLANS, "1. a table 2. a report"),
        says(WORKS, "a table"),
        says(CHECKS, verdict("fail", "the report is missing")),
        says(WORKS, "a table and a report"),
        says(CHECKS, verdict("pass")),
    )

    run = asked(mesh, "Could you set up a ledger for the till?")

    tree = completed(mesh, run)
    first, second = spoken(server, WORKS)
    assert (run["protocol"], run["output"]["text"]) == (
        "plan_execute_validate",
        "a table and a report",
    )
    assert "1. a table 2. a report" in first
    assert "the report is missing" in second
    assert run["usage"]["model_calls"] == calls(server) == 6
    # Who checks is not who wrote it.
    assert tree["build/outline"]["name"] == tree["build/work#2/work_pass/check"]["name"]
    assert tree["build/work#2/work_pass/execution"]["name"] == "builtin_execute"


@pytest.mark.requirement("RT-21")
def test_work_that_is_never_accepted_fails_with_the_last_of_it(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(
        server,
        goal("modify", complexity="low"),
        says(PLANS, "shorten it"),
        says(WORKS, "a draft"),
        says(CHECKS, verdict("fail", "too long")),
        says(WORKS, "a shorter draft"),
        says(CHECKS, verdict("fail", "still too long")),
    )

    run = asked(mesh, "The greeting of the till is clumsy, rework it")

    why = failure(mesh, run)
    assert (why.code, run["output"]["text"]) == ("validation_failed", "a shorter draft")
    assert "still too long" in why.text


def test_a_debate_is_ruled_on(mesh: UpProcess, server: ScriptedOpenAIServer) -> None:
    play(
        server,
        goal("compare"),
        says(ARGUES, position("queues are calm"), of="Argue for it"),
        says(ARGUES, position("calls are quick"), of="Argue against it"),
        says(RULES, verdict("b", "speed counts")),
    )

    run = asked(mesh, "Should the till put charges on a queue, or call the bank at once?")

    tree = completed(mesh, run)
    [ruling] = spoken(server, RULES)
    assert run["protocol"] == "debate"
    assert "speed counts" in json.dumps(run["output"])
    assert "queues are calm" in ruling
    assert "calls are quick" in ruling
    assert tree["compare/judgement/ruling"]["kind"] == "agent"


@pytest.mark.requirement("PROTO-7")
def test_a_debate_of_which_a_side_abstains_fails_and_nobody_rules(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(
        server,
        goal("compare"),
        says(ARGUES, position("queues are calm"), of="Argue for it"),
        says(ARGUES, position("nothing to say", abstained=True), of="Argue against it"),
        says(RULES, verdict("a")),
    )

    run = asked(mesh, "Queue or call: which suits the till?", protocol="debate")

    why = failure(mesh, run)
    assert why.code == "no_branch"
    assert "both sides must argue" in why.text
    assert "b: abstained is true" in why.text
    assert spoken(server, RULES) == []


@pytest.mark.requirement("PROTO-5")
def test_code_that_nobody_can_test_is_checked_and_said_to_be_untested(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(
        server,
        goal("generate_code"),
        says(CODES, "def add(a, b): return a - b"),
        says(CHECKS, verdict("fail", "it subtracts")),
        says(CODES, "def add(a, b): return a + b"),
        says(CHECKS, verdict("pass")),
    )

    run = asked(mesh, "I need a function that adds up two amounts")

    completed(mesh, run)
    assert (run["protocol"], run["output"]["text"]) == (
        "codegen_test_validate",
        "def add(a, b): return a + b",
    )
    assert "it subtracts" in spoken(server, CODES)[1]


@pytest.mark.requirement("PROTO-9")
def test_each_link_of_a_chain_is_handed_the_thread_and_all_that_was_done_before(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(server, goal("answer"), says(LOOKS_UP, "Vacuum the journal."))
    before = asked(mesh, "How is a full disk freed?")
    play(
        server,
        goal("coordinate", domain=DOMAIN, required_capabilities=["log.analyze", "trace.analyze"]),
        says(LOGS, "The logs show failed charges."),
        says(TRACES, "The traces show a slow bank."),
    )

    words = "Go through the till's logs, and have the traces looked at after that"
    run = asked(mesh, words, thread_id=before["thread_id"])

    tree = completed(mesh, run)
    [first], [second] = spoken(server, LOGS), spoken(server, TRACES)
    assert run["protocol"] == "handoff_chain"
    assert (
        list(tree)[3:] == sorted(tree)[3:]
        or tree["coordinate/log_analyze"]["started_at"]
        < (tree["coordinate/trace_analyze"]["started_at"])
    )
    for link in (first, second):
        assert words in link
        # The thread's earlier turn: what was asked, and what was answered.
        assert "How is a full disk freed?" in link
        assert "journalctl" in link
    # What the first link found, and not only what its model made of it.
    assert "charge failed" in second
    assert "charge failed" not in first.partition("analyze_logs")[0]


def test_a_fan_out_joins_what_each_source_shows(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(
        server,
        goal("diagnose", domain=DOMAIN),
        says(LOGS, "Charges fail."),
        says(TRACES, "The bank is slow."),
        says("You join the results", "It is the bank."),
    )

    run = asked(mesh, "What is the matter with charges at the till?")

    tree = completed(mesh, run)
    assert run["protocol"] == "specialist_fanout"
    assert "bank" in run["output"]["text"]
    assert {"diagnose/log_analyze", "diagnose/trace_analyze"} <= set(tree)
    assert run["usage"]["model_calls"] == calls(server) == 4


@pytest.mark.requirement("PROTO-8", "RT-23")
def test_what_repairs_shows_its_proposal_and_does_nothing_before_it_is_approved(
    mesh: UpProcess, shop: Operated, server: ScriptedOpenAIServer
) -> None:
    done = len(shop.operations)
    play(server, goal("remediate", domain="operations", required_capabilities=["operations.act"]))

    run = asked(mesh, "Restart the bank service, it is stuck")

    [question] = run["interrupts"]
    assert (run["status"], run["protocol"]) == ("interrupted", "approval_gated_execution")
    assert "Proposed: restart bank" in question["message"]
    assert len(shop.operations) == done
    checked_tree(mesh, run["run_id"])
    # Who reads the request; the operator's own model is silent, and rules propose.
    assert run["usage"]["model_calls"] == 1
    refused = answered(mesh, run, {"approved": False})
    assert failure(mesh, refused).code == "approval_refused"
    assert len(shop.operations) == done


def test_who_would_be_handed_on_without_anybody_outside_is_told_so(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    play(server, goal("coordinate"))

    run = asked(mesh, "Hand the audit to the firm we hired", protocol="a2a_delegate")

    why = failure(mesh, run)
    assert why.code == "no_capability"
    assert "a2a_peer" in why.text


REFUSALS = {
    "plan_execute_validate": ("Build a ledger for the till", "language model"),
    "debate": ("Should the till queue its charges?", "both sides must argue"),
    "codegen_test_validate": ("Write a function that adds two amounts", "language model"),
    "a2a_delegate": ("Hand the audit to the firm we hired", "a2a_peer"),
}
ANSWERS = {
    "direct_response": ("How do I free a full disk?", "journalctl --vacuum-size=200M"),
    "specialist_fanout": (
        "Diagnose the slow charges at the till",
        "bank POST /bank takes 2000.0 ms",
    ),
    "handoff_chain": ("Look at the logs of the till, then at its traces", "bank"),
}


@pytest.mark.requirement("RT-36")
@pytest.mark.parametrize("protocol", sorted(REFUSALS))
def test_what_needs_thought_is_refused_without_a_model_and_says_why(
    offline: UpProcess, protocol: str
) -> None:
    words, said = REFUSALS[protocol]

    run = asked(offline, words, protocol=protocol)

    assert run["protocol"] == protocol or protocol == "a2a_delegate"
    assert said in failure(offline, run).text


@pytest.mark.parametrize("protocol", sorted(ANSWERS))
def test_what_rules_can_do_is_done_without_a_model(offline: UpProcess, protocol: str) -> None:
    words, said = ANSWERS[protocol]

    run = asked(offline, words, protocol=protocol)

    completed(offline, run)
    assert run["protocol"] == protocol
    assert said in run["output"]["text"]


def test_rules_propose_a_repair_and_carry_it_out_once_it_is_approved(
    offline: UpProcess, shop: Operated
) -> None:
    done = len(shop.operations)

    run = asked(offline, "Restart the bank service")
    waiting = len(shop.operations)
    ended = answered(offline, run, {"approved": True})

    assert "Proposed: restart bank" in run["interrupts"][0]["message"]
    tree = completed(offline, ended)
    assert (waiting, len(shop.operations)) == (done, done + 1)
    assert "Done, once" in ended["output"]["text"]
    assert tree["remediate/approval/work#1/work_pass/execution"]["name"] == "operator"


def uses(role: str, tool: str, *, of: str = "", tokens: int = 100) -> Matching:
    """Return a reply that uses what was granted, again and again."""
    meant, _ = says(role, "", of=of)
    call = WireCall(name=tool, arguments={"task": "What do the charges at the till show?"})
    spent: JsonObject = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    return meant, WireReply(calls=(call,), usage=spent, repeat=True)


def costing(reply: Matching, tokens: int) -> Matching:
    meant, said = reply
    spent: JsonObject = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    return meant, said.model_copy(update={"usage": spent, "repeat": True})


@pytest.mark.requirement("GW-15", "A2A-67")
@pytest.mark.parametrize(
    ("budget", "most"), [({"calls": 8}, 8), ({"tokens": 900}, 9 + 1), ({"calls": 0}, 0)]
)
def test_a_budget_holds_two_hops_down_and_what_came_up_is_the_sum(
    mesh: UpProcess, server: ScriptedOpenAIServer, budget: JsonObject, most: int
) -> None:
    play(
        server,
        costing(goal("answer", domain=DOMAIN), 100),
        uses(LOOKS_UP, "log_analyze"),
        costing(says(LOGS, "The charges fail."), 100),
    )

    run = asked(mesh, "Tell me about the charges at the till", budget=budget)

    why = failure(mesh, run)
    assert why.code == "budget_exhausted", why
    assert calls(server) <= most
    assert run["usage"]["model_calls"] == calls(server)
    assert run["usage"]["total_tokens"] == 100 * calls(server)
    for name, limit in budget.items():
        assert run["budget"]["limit"][name] == limit


@pytest.mark.requirement("GW-22", "GW-25")
def test_a_repair_that_is_cancelled_while_it_waits_does_nothing_and_says_so_twice(
    offline: UpProcess, shop: Operated
) -> None:
    done = len(shop.operations)
    run = asked(offline, "Restart the bank service")

    first = canceled(offline, run["run_id"], reason="not now")
    again = canceled(offline, run["run_id"], reason="really", grace_s=0)
    late = answered_late(offline, run)

    assert (first.status_code, again.status_code) == (200, 200), (first.text, again.text)
    assert first.json() == again.json()
    report = first.json()
    assert (report["reason"], report["effects"]) == ("not now", [])
    outcomes = {"/".join(part["path"]): part["outcome"] for part in report["peers"]}
    assert outcomes["remediate/proposal"] == "done"
    assert set(outcomes.values()) == {"done", "not_started"}
    assert late == 409
    assert len(shop.operations) == done
    tree = checked_tree(offline, run["run_id"])
    assert tree["remediate/approval"]["status"] == "canceled"


def answered_late(mesh: UpProcess, run: Run) -> int:
    responses = [{"interrupt_id": run["interrupts"][0]["id"], "payload": {"approved": True}}]
    with mesh.client() as client:
        path = f"/v1/runs/{run['run_id']}/resume"
        return client.post(path, json={"responses": responses}).status_code


@pytest.mark.requirement("GW-25")
def test_a_run_that_ended_otherwise_can_no_longer_be_cancelled(offline: UpProcess) -> None:
    run = asked(offline, "How do I free a full disk?")

    refused = canceled(offline, run["run_id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "run_finished")
