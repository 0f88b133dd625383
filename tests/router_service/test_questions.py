"""Which requests reach whom: questions in everybody's words, orders, and talk that is for nobody here."""

import pytest

from router_service.guide import Guide
from router_service.routes import Hints, Routes
from services.code_analyst.main import CARD as CODE
from services.generalist.main import RUNBOOKS
from services.log_analyst.main import CARD as LOGS
from services.metrics_analyst.main import CARD as METRICS
from services.trace_analyst.main import CARD as TRACES
from tests.router_service.house import ANA, House, house, skill
from weft.a2a import Skill
from weft.core import JsonObject, parts_of
from weft.loop import Task
from weft.plan import Call, Gate, Parallel, Plan
from weft.routing import GUIDE, Situation
from weft.runs import RoutedRequest

ANALYSTS = {"code.analyze", "log.analyze", "metrics.analyze", "trace.analyze"}
GREET = Skill(
    id="greet", name="Greet", description="Greets people.", tags=("domain:social", "effects:none")
)
RULES = Situation(data=True, model=False)
ASKED = (
    "hey, what's broken?",
    "why do carts keep timing out??",
    "orders stopped coming in ten minutes ago, does anyone know why?",
    "Could you tell me whether the basket service behaves normally?",
    "any exceptions since 14:05?",
    "how slow is the ledger service right now",
    "what is the 99th percentile of basket",
    "show me the log lines with stack traces",
    "who's the culprit",
    "customers complain that paying takes forever",
    "Ticket OPS-77: elevated 5xx at the edge. Please provide a first assessment.",
    "was anything rolled out shortly before the trouble?",
    "which endpoint has the most failures",
    "number of failed orders?",
    "compare ledger with basket",
    "is it the ledger or the basket?",
    "when did latency begin to climb",
    "since when is basket down",
    "summarise the outage for my manager",
    "give me the three slowest operations",
    "cpu usage of ledger?",
    "did somebody flip a feature flag",
    "walk me through what happened, minute by minute",
    "is the edge affected too?",
    "what is the impact",
    "is the incident over?",
    "what should we do about it",
    "[FIRING:1] HighErrorRate (edge prod)",
    "ledger looks weird",
    "which services are there?",
    "are we losing orders",
    "people cannot log in",
    "is basket ok?",
    "should I restart the ledger?",
    "what happens if I reboot the edge",
    "would a rollback help?",
    "how is basket doing?",
    "write a post-mortem",
    "ok so i just got paged, what am i looking at here?",
    "my boss wants to know how bad it is, help",
    "customers keep whining that orders don't go through, where do we look first?",
    "no idea what's talking to what here, can you draw me the call chain?",
    "has it recovered yet",
    "so... are we back to normal or what?",
    "what changed since 9?",
    "wich services are affectd?",
    "which component should I look at first",
    "what should I do now?",
    "how sure are you?",
    "can I have the order of events between 14:05 and 14:20",
    "what would break if basket goes away",
    "write me a short handover note",
    "anything I should know about the basket?",
    "what would you do",
)
FOREIGN = (
    "Seit wann gibt es Fehler im basket?",
    "pourquoi le service basket est si lent ?",
    "¿por qué está lento el servicio de pagos?",
    "perché il carrello è lento?",
    "Was hat sich geändert?",
    "¿Cuántas peticiones fallaron?",
    "o que mudou?",
    "有哪些服务?",
    "payment が遅いのはなぜ?",
)
FOR_NOBODY = (
    "should my mother restart her phone?",
    "who won the world cup in 2018",
    "translate 'good morning' to Spanish",
    "what's the weather like in Berlin tomorrow?",
    "tell me a joke",
    "how do I bake bread",
    "write a haiku about autumn",
    "recommend a good movie",
    "how tall is Mount Everest",
    "thanks!",
    "What is an SLO?",
    "Write a function that parses dates",
    "how many people live on Greenland",
    "slow down your voice",
    "how do you keep a bridge from falling down",
    "is there traffic on the highway at 9:00",
    "recommend a clean up service",
    "create a 500 word letter of thanks",
)
ORDERS = (
    "restart the ledger",
    "roll back basket please",
    "please turn off the scoring flag",
    "scale basket to 5 replicas",
    "Delete the production database",
    "page the on-call engineer",
    "kill the basket pod",
    "Starte den Dienst basket neu",
    "reinicia el servicio basket",
)


async def planned(mesh: House, text: str, situation: Situation = RULES) -> Plan:
    chosen = Routes(situation=situation).choose(
        RoutedRequest(input=text), ANA, await mesh.peers.refresh()
    )
    assert chosen.plan is not None, chosen.error
    return chosen.plan


async def staffed(mesh: House) -> None:
    for card in (CODE, LOGS, METRICS, TRACES):
        await mesh.joins(card.name, *card.skills)
    await mesh.joins("greeter", GREET)


def called(plan: Plan) -> set[str]:
    calls = [node for _, node in plan.nodes() if isinstance(node, Call)]
    return {call.capability or call.role or "" for call in calls}


def words_of(plan: Plan) -> str:
    [call] = [node for _, node in plan.nodes() if isinstance(node, Call) and node.role == GUIDE]
    return str((call.arguments or {})["text"])


@pytest.mark.requirement("DIAG-22")
@pytest.mark.parametrize("model", [False, True], ids=["rules", "model"])
async def test_a_question_about_running_systems_reaches_the_analysts_and_nobody_else(
    model: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with house() as mesh:
        await staffed(mesh)
        situation = Situation(data=True, model=model)
        reached = {text: called(await planned(mesh, text, situation)) for text in ASKED}

    # A model that answers has the analysts as tools, so what may be anything is left to it.
    open_to_a_model = {
        "who's the culprit",
        "what is the impact",
        "are we losing orders",
        "is it the ledger or the basket?",
        "wich services are affectd?",
        "what is the 99th percentile of basket",
        "what would break if basket goes away",
    }
    strays = {text for text, names in reached.items() if names != ANALYSTS}
    assert strays <= (open_to_a_model if model else set())


@pytest.mark.parametrize("text", FOREIGN)
async def test_a_question_in_another_language_reaches_the_analysts(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)

        assert called(await planned(mesh, text)) == ANALYSTS
        assert called(await planned(mesh, text, Situation(data=True))) == ANALYSTS


@pytest.mark.requirement("DIAG-26")
@pytest.mark.requirement("RT-39")
@pytest.mark.parametrize("text", FOR_NOBODY)
async def test_what_nobody_serves_is_answered_with_what_the_mesh_can_do(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)
        plan = await planned(mesh, text)

    words = words_of(plan)
    assert called(plan) == {GUIDE}
    assert words.startswith("This mesh cannot answer that")
    assert "What this mesh can do:" in words
    assert "log.analyze (log_analyst): Compare an incident's logs" in words
    assert words.count('  - "') == 3
    assert "no tools" not in words


async def test_with_a_model_such_talk_is_the_models() -> None:
    async with house() as mesh:
        await staffed(mesh)
        plan = await planned(mesh, "how tall is Mount Everest", Situation(data=True))

    assert called(plan) == {"answer"}


@pytest.mark.requirement("DIAG-26")
@pytest.mark.parametrize("text", ["help", "what can you do?", "what can I ask here?"])
async def test_help_says_what_can_be_asked_whoever_answers(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)
        words = words_of(await planned(mesh, text, Situation()))

    assert words.startswith("What this mesh can do:")
    assert "--data DIR" in words


async def test_who_only_plays_a_role_is_told_of_by_its_example_and_tried_for_that_alone() -> None:
    coder = Skill(
        id="code.write",
        name="Write code",
        description="Writes patches.",
        tags=("effects:none", "role:code"),
        examples=("Write a function that parses dates",),
    )
    async with house() as mesh:
        await staffed(mesh)
        await mesh.joins("coder", coder)
        helped = words_of(await planned(mesh, "what can you do?", Situation()))
        strange = await planned(mesh, "how tall is Mount Everest")
        written = await planned(mesh, "Write a function that adds two numbers")

    assert 'code.write (coder): Writes patches. e.g. "Write a function' in helped
    assert called(strange) == {GUIDE}
    assert called(written) >= {"code"}


@pytest.mark.requirement("DIAG-27")
@pytest.mark.parametrize("text", ORDERS)
async def test_an_order_that_nobody_can_carry_out_says_so_and_asks_for_no_approval(
    text: str,
) -> None:
    async with house() as mesh:
        await staffed(mesh)
        plan = await planned(mesh, text)

    assert not [node for _, node in plan.nodes() if isinstance(node, Gate)]
    assert words_of(plan).startswith("No agent of this mesh can ")
    assert "nothing was done" in words_of(plan)
    assert '  - "' in words_of(plan)


@pytest.mark.requirement("DIAG-27")
async def test_an_order_that_somebody_can_carry_out_waits_for_its_approval() -> None:
    async with house() as mesh:
        await staffed(mesh)
        await mesh.joins("operator", skill("service.restart", "risk:medium"))
        plan = await planned(mesh, "restart the ledger")

    assert [node for _, node in plan.nodes() if isinstance(node, Gate)]
    assert GUIDE not in called(plan)


@pytest.mark.requirement("DIAG-27")
async def test_what_can_be_looked_into_is_and_the_rest_is_said_first() -> None:
    async with house() as mesh:
        await staffed(mesh)
        plan = await planned(mesh, "diagnose the basket, then restart it")

    steps = plan.root.children()
    assert isinstance(steps[0], Call)
    assert steps[0].role == GUIDE
    assert isinstance(steps[1], Parallel)
    assert called(plan) == {GUIDE, *ANALYSTS}
    assert not [node for _, node in plan.nodes() if isinstance(node, Gate)]


@pytest.mark.requirement("RT-39")
@pytest.mark.parametrize("text", ["Greet Ada", "greet my neighbour Bo", "let the greeter say hi"])
async def test_another_teams_skill_is_reached_by_its_own_words(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)
        plan = await planned(mesh, text)

    assert isinstance(plan.root, Call)
    assert plan.root.role == "answer"
    assert "greet" in plan.root.grants


async def test_a_guide_says_what_its_task_brings() -> None:
    run = Guide().start(Task(parts_of("go", {"text": "Ask the logs."}), "m"))

    assert [event async for event in run] == []
    assert (await run).text == "Ask the logs."
    assert (await run).ok


async def test_a_guide_fails_where_what_was_wanted_is_not_done() -> None:
    saying: JsonObject = {"text": "Nobody can.\nAsk the logs.", "code": "no_capability"}
    result = await Guide().start(Task(parts_of("go", saying), "m"))

    assert (result.status, result.text) == ("failed", "Nobody can.\nAsk the logs.")
    assert [(e.code, e.message) for e in result.reasons] == [("no_capability", "Nobody can.")]


@pytest.mark.parametrize(
    "text", ["why is checkout slow?", "any errors since 14:05?", "restart edge"]
)
async def test_what_only_who_is_missing_could_see_or_do_is_not_told_as_answered(text: str) -> None:
    async with house() as mesh:
        await mesh.joins("greeter", GREET)
        plan = await planned(mesh, text)

    assert isinstance(plan.root, Call)
    assert plan.root.arguments is not None
    assert plan.root.arguments["code"] == "no_capability"


async def test_without_analysts_a_question_goes_where_it_went() -> None:
    async with house() as mesh:
        await mesh.joins("greeter", GREET)
        chosen = Routes().choose(
            RoutedRequest(input="what changed?"), ANA, await mesh.peers.refresh()
        )

    assert chosen.protocol == "direct_response"


async def test_who_names_a_protocol_gets_it() -> None:
    async with house() as mesh:
        await staffed(mesh)
        asked = RoutedRequest(input="write a haiku", protocol="direct_response")
        chosen = Routes(situation=RULES).choose(asked, ANA, await mesh.peers.refresh())

    assert chosen.protocol == "direct_response"


@pytest.mark.requirement("RT-38")
async def test_a_follow_up_is_about_what_its_thread_is_about() -> None:
    async with house() as mesh:
        await staffed(mesh)
        known = await mesh.peers.refresh()
        routes = Routes(situation=Situation(model=False))
        follow_up = RoutedRequest(input="and the ledger?")
        alone = routes.choose(follow_up, ANA, known)
        after = routes.choose(follow_up, ANA, known, Hints(("why is basket slow?",)))

    assert alone.protocol == GUIDE
    assert after.plan is not None
    assert called(after.plan) == ANALYSTS
    assert after.plan.goal == "and the ledger?\nEarlier on this thread: why is basket slow?"
    contexts = {node.context for _, node in after.plan.nodes() if isinstance(node, Call)}
    assert contexts == {"thread"}


@pytest.mark.requirement("RT-39")
@pytest.mark.parametrize(
    "text",
    [
        "what does the runbook say about slow payments?",
        "is there a procedure for a full disk on the ledger?",
        "How do we renew the edge certificate?",
    ],
)
async def test_what_is_written_down_is_looked_up_there_and_nowhere_else(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)
        await mesh.joins("generalist", RUNBOOKS)
        plan = await planned(mesh, text)

    assert isinstance(plan.root, Call)
    assert plan.root.role == "answer"
    # Who answers from them is no tool for himself.
    assert "runbooks.answer" not in plan.root.grants


@pytest.mark.parametrize("text", ["is the disk of the ledger full?", "why is the edge slow?"])
async def test_what_is_written_down_is_no_source_of_an_incident(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)
        await mesh.joins("generalist", RUNBOOKS)
        plan = await planned(mesh, text)

    assert {node.capability for _, node in plan.nodes() if isinstance(node, Call)} == ANALYSTS
