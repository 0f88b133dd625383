"""Which passage answers, in words that the runbooks do not have, and when none does."""

import pytest

from services.generalist.runbooks import Passage, split
from services.generalist.search import PassageIndex

BOOKS = {
    "certificates.md": """# Certificates
## Renew the edge certificate
1. Run `certbot renew --cert-name edge`.
2. Reload the proxy: `systemctl reload haproxy`.
## Revoke a certificate
Ask the security team first; then `certbot revoke`.
""",
    "database.md": """# Database
## The disk is full
1. Look which tables grew: `select * from pg_tables`.
2. Drop the oldest partitions of `audit`, never those of `orders`.
## Fail over to the standby
1. Stop the primary. 2. Promote the standby with `pg_ctl promote`.
## Restore a backup
Take the latest snapshot, restore it beside the primary, compare row counts.
""",
    "oncall.md": """# On call
## Handing over
Write down open incidents, silenced alerts and planned changes.
## Whom to call
Payment problems go to the payment team, everything else to the platform team.
""",
}


@pytest.fixture(scope="module")
def index() -> PassageIndex:
    return PassageIndex([part for file, text in BOOKS.items() for part in split(file, text)])


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("How do we renew the edge certificate?", "certificates.md:2"),
        ("renewing certificates on the edge", "certificates.md:2"),
        ("the database disk is full, what now", "database.md:2"),
        ("how to promote the standby", "database.md:5"),
        ("restoring from a backup", "database.md:7"),
        ("who do I call about payment problems?", "oncall.md:4"),
        ("what must be handed over?", "oncall.md:2"),
        ("what does the runbook say about a full disk?", "database.md:2"),
        ("tell me the steps to promote the standby, as our docs have them", "database.md:5"),
    ],
)
def test_the_passage_that_answers_comes_first(
    index: PassageIndex, question: str, place: str
) -> None:
    matches = index.search(question)

    assert matches, question
    assert matches[0].passage.place == place


@pytest.mark.parametrize(
    "question",
    [
        "what is the capital of France?",
        "how do I bake sourdough bread?",
        "how do we rotate the vault tokens of the build farm?",
        "renew my passport",
        "who won the football match yesterday",
        "translate this sentence into Japanese",
        "?",
        "",
        "how do we do it",
    ],
)
def test_what_no_runbook_says_is_not_answered(index: PassageIndex, question: str) -> None:
    assert index.search(question) == []


def test_what_does_not_answer_is_told_as_near_only(index: PassageIndex) -> None:
    near = index.nearest("how do we rotate the vault tokens of the payment team?")

    assert near[0].place == "oncall.md:4"
    assert index.nearest("sourdough") == []


def test_nothing_is_found_in_nothing() -> None:
    assert PassageIndex([]).search("renew the certificate") == []
    assert PassageIndex([]).nearest("renew the certificate") == []
    assert PassageIndex([Passage("a.md", 1, (), "...")]).search("renew") == []


def test_ranking_is_the_same_every_time(index: PassageIndex) -> None:
    again = PassageIndex([part for file, text in BOOKS.items() for part in split(file, text)])

    for question in ("certificate", "standby", "the disk of the database is full"):
        assert again.search(question) == index.search(question)
