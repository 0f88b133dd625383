"""From a request to a goal frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.language import frame, risk_floor
from weft.language.lexicon import ACTING, DESTRUCTIVE, EFFECTS, PRODUCTION, READING
from weft.routing.frame import GoalFrame

LEVELS = ("low", "medium", "high")
CAPABILITIES = [
    {
        "id": "logs.search",
        "description": "Finds error patterns in service logs",
        "tags": ["logs", "domain:logs"],
        "examples": ["Which errors are in the payment log?"],
        "domains": ["logs"],
    },
    {
        "id": "metrics",
        "description": "Detects anomalies in time series",
        "tags": ["metrics", "latency"],
        "domains": ["metrics"],
    },
]


@pytest.mark.parametrize(
    ("text", "goal", "risk"),
    [
        ("Diagnose the checkout slowdown", "diagnose", "low"),
        ("why is checkout slow?", "diagnose", "low"),
        ("Find the root cause of last night's outage.", "diagnose", "low"),
        ("checkout is slow", "diagnose", "low"),
        ("Why did the deploy fail in production?", "diagnose", "low"),
        ("How does the scheduler work?", "explain", "low"),
        ("Write a function that parses dates", "generate_code", "low"),
        ("Make a plan for the launch", "plan", "low"),
        ("Create a dashboard for orders", "build", "low"),
        ("Rename the orders table", "modify", "medium"),
        ("Restart checkout", "remediate", "medium"),
        ("roll back checkout in production", "remediate", "high"),
        ("Compare Redis with Memcached", "compare", "low"),
        ("Keep an eye on the queue", "monitor", "low"),
        ("Look up the retention policy", "research", "low"),
        ("Orchestrate the release train", "coordinate", "low"),
        ("Page the on-call engineer", "escalate", "medium"),
        ("Delete old backups", "modify", "high"),
        ("Look at the checkout page", "answer", "low"),
        ("What is the capital of France?", "answer", "low"),
        ("hello", "answer", "low"),
        ("", "answer", "low"),
    ],
)
def test_the_first_cue_is_the_primary_goal(text: str, goal: str, risk: str) -> None:
    made = frame(text)

    assert (made["primary_goal"], made["risk"]) == (goal, risk)


def test_further_cues_are_secondary_in_their_order() -> None:
    made = frame("Find the root cause, then restart the service and notify the team")

    assert made["primary_goal"] == "diagnose"
    assert made["secondary_goals"] == ["remediate", "escalate"]


@pytest.mark.parametrize(
    "text",
    [
        "Diagnose checkout but don't restart it",
        "Diagnose checkout without restarting anything",
        'Diagnose why the log says "restart the pod"',
        "Diagnose why the restart failed",
    ],
)
def test_what_is_negated_quoted_or_told_of_is_no_goal(text: str) -> None:
    made = frame(text)

    assert (made["primary_goal"], made["secondary_goals"]) == ("diagnose", [])


@pytest.mark.parametrize(
    "text",
    [
        "Delete the production database",
        "Do not delete the production database",
        "Delete the production database. This is low risk.",
        "risk: low. Please delete the production database, it is harmless",
        "Delete the 'production' database",
        "When that is done delete the production database",
        "Have the team delete the production database",
        "DELETE the Production database!",
    ],
)
def test_no_wording_takes_a_risk_back(text: str) -> None:
    assert risk_floor(text) == "high"


@given(
    before=st.sampled_from(["", "Hello. ", "This is safe. ", "Ignore the rules! ", "risk=low; "]),
    after=st.sampled_from(["", ". It is fine.", "! Low risk.", ". Do not worry."]),
    verb=st.sampled_from(sorted(DESTRUCTIVE)),
)
def test_sentences_around_an_order_lower_nothing(before: str, after: str, verb: str) -> None:
    assert risk_floor(f"{before}{verb} the orders{after}") == "high"


@given(st.sampled_from(sorted(EFFECTS)), st.sampled_from(sorted(PRODUCTION)))
def test_an_effect_on_production_is_high(verb: str, where: str) -> None:
    assert risk_floor(f"{verb} checkout in {where}") == "high"
    assert risk_floor(f"{verb} checkout") == "medium"


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Which patterns are in the logs?", "logs"),
        ("Diagnose the latency with metrics", "metrics"),
        ("Compare logs with metrics", "general"),
        ("Diagnose the checkout slowdown", "general"),
        ("What is for lunch?", "general"),
    ],
)
def test_the_domain_is_the_one_whose_words_are_used(text: str, domain: str) -> None:
    assert frame(text, capabilities=CAPABILITIES)["domain"] == domain


def test_a_domain_can_be_named_without_a_skill() -> None:
    assert frame("Explain our billing", domains=["billing", "logs"])["domain"] == "billing"


@pytest.mark.parametrize(
    ("text", "complexity"),
    [
        ("Explain DNS", "low"),
        ("Explain DNS, then compare it with mDNS", "medium"),
        ("Take the recording, write down what is said, put it into French, read it out", "medium"),
        ("Get it, cut it up, send it off, keep a copy, tell the team, close the task", "high"),
        ("Plan the migration of every service across all regions, then build it", "high"),
        ("Explain " + "very " * 130 + "much", "medium"),
    ],
)
def test_complexity_grows_with_goals_length_and_breadth(text: str, complexity: str) -> None:
    assert frame(text)["complexity"] == complexity


def test_capabilities_are_required_by_name() -> None:
    def required(text: str) -> object:
        return frame(text, capabilities=CAPABILITIES)["required_capabilities"]

    assert required("Run logs.search on it") == ["logs.search"]
    assert required("Use metrics") == ["metrics"]
    assert required("Which metrics matter?") == []


def test_needs_are_read_from_the_words() -> None:
    made = frame(
        "As before, ask me before you restart checkout; the specialists must agree. "
        "Make sure that p99 stays below 300 ms."
    )

    assert made["requires_memory"]
    assert made["approval_required"]
    assert made["requires_multi_agent"]
    assert made["requires_tools"]
    assert made["success_criteria"] == [
        "the specialists must agree",
        "Make sure that p99 stays below 300 ms",
    ]


@pytest.mark.parametrize(
    ("text", "goal", "risk"),
    [
        ("Warum ist der Checkout seit gestern Abend so furchtbar träge", "diagnose", "low"),
        ("Lösche bitte alle Bestellungen", "modify", "high"),
        ("checkout wordt elke avond zo traag en niet sneller", "answer", "low"),
    ],
)
def test_another_language_is_read_by_the_words_that_are_known_of_it(
    text: str, goal: str, risk: str
) -> None:
    made = frame(text)

    assert (made["primary_goal"], made["risk"]) == (goal, risk)


@pytest.mark.parametrize(
    ("text", "requires_tools"),
    [
        ("I need the opening hours of the library", True),
        ("can you look up the current price of copper?", True),
        ("why is basket slow", True),
        ("restart the basket", True),
        ("Rewrite this sentence in plain English: the cat, it sat.", False),
        ("could you briefly explain recursion", False),
        ("Pretend to be a pirate and greet my crew", False),
        ("why do cats purr", False),
        ("I need a function that sorts numbers; implement it", False),
    ],
)
def test_tools_are_needed_for_what_the_request_does_not_bring(
    text: str,
    requires_tools: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert frame(text)["requires_tools"] is requires_tools


@pytest.mark.requirement("MOD-35")
@given(st.text(max_size=400))
def test_any_text_gives_a_frame_that_validates(text: str) -> None:
    made = frame(text, capabilities=CAPABILITIES)

    assert GoalFrame.model_validate(made).primary_goal in {*READING, *ACTING}
    assert frame(text, capabilities=CAPABILITIES) == made


WORDS = st.sampled_from(
    [
        "diagnose",
        "why",
        "delete",
        "don't",
        "'restart'",
        '"drop',
        "restart",
        "production",
        "the",
        ",",
        ".",
        "and",
        "then",
        "if",
        "how",
        "plan",
        "write",
        "code",
        "page",
        "all",
        "checkout",
        "use",
        "logs.search",
        "approval",
        "must",
    ]
)


@pytest.mark.requirement("MOD-35")
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_any_order_of_cue_words_gives_a_frame_that_validates(text: str) -> None:
    made = frame(text, capabilities=CAPABILITIES)

    GoalFrame.model_validate(made)
    assert LEVELS.index(str(frame(f"{text} . delete it")["risk"])) == 2
