"""What the generalist answers: from its runbooks alone, and through a model that is held to them."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from services.generalist.agent import generalist
from services.generalist.library import Library
from services.generalist.main import Settings, card_of, opened
from weft.core import Result, parts_of
from weft.core.errors import ConfigError
from weft.loop import LoopRecord, Task, replayed_loop
from weft.models import Model, ModelRequest, get_model
from weft.runs import LocalJournal
from weft.testing import FunctionModel
from weft.testing.models import register_script

CERTIFICATES = """# Certificates
## Renew the edge certificate
1. Run `certbot renew --cert-name edge`.
2. Reload the proxy within 10 minutes: `systemctl reload haproxy`.
"""
QUESTION = "How do we renew the edge certificate?"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    (tmp_path / "certificates.md").write_text(CERTIFICATES)
    (tmp_path / "oncall.md").write_text("# On call\n## Handing over\nWrite down open incidents.\n")
    return tmp_path


@pytest.fixture
def rules() -> Model:
    return get_model("offline:")


async def answered(model: Model, books: Path, text: str, role: str | None = None) -> Result:
    peer = generalist("generalist", model, Library([books]), "Answer.", {})
    with anyio.fail_after(20):
        return await peer.start(Task(parts_of(text), "m", role=role))


async def test_rules_quote_the_passage_as_it_stands_and_say_where(
    books: Path, rules: Model
) -> None:
    result = await answered(rules, books, QUESTION)

    assert result.ok
    assert result.text.startswith("No language model was used")
    assert "certificates.md:2 (Certificates > Renew the edge certificate)" in result.text
    assert "    1. Run `certbot renew --cert-name edge`.\n    2. Reload the proxy" in result.text
    assert "Handing over" not in result.text
    assert result.generated_by == "rules"
    # The same words once: a passage is not listed as a finding, too.
    assert result.text.count("certbot") == 1


async def test_what_no_runbook_says_is_said_so(books: Path, rules: Model) -> None:
    result = await answered(rules, books, "How do we rotate the vault tokens?")

    assert "no runbook answers this (2 files searched)" in result.text
    assert "certbot" not in result.text
    assert result.claims == ()


async def test_a_file_that_cannot_be_read_is_named(books: Path, rules: Model) -> None:
    (books / "old.txt").write_bytes(b"\xff\xfe\x00 renew the edge certificate")

    result = await answered(rules, books, QUESTION)

    assert "old.txt: it is no text in UTF-8" in result.text


async def test_a_model_sees_the_passages_and_is_held_to_them(books: Path) -> None:
    def said(request: ModelRequest) -> str:
        texts = "\n".join(message.content for message in request.messages)
        assert "certbot renew --cert-name edge" in texts
        cited = re.findall(r"- (f_[0-9a-f]{12}): ", texts)[0]
        return (
            f"Run `certbot renew --cert-name edge` [{cited}]. "
            f"Reload the proxy within 10 minutes [{cited}]. "
            f"Then wait 45 minutes [{cited}]. The moon is made of cheese."
        )

    result = await answered(FunctionModel(said), books, QUESTION)

    assert "certbot renew --cert-name edge" in result.text
    assert "within 10 minutes" in result.text
    # What no passage says is removed, and counted.
    assert "45 minutes" not in result.text
    assert "cheese" not in result.text
    assert "2 sentences" in result.text


@pytest.mark.parametrize("role", ["plan", "argue", "synthesize"])
async def test_other_roles_are_a_models(books: Path, role: str) -> None:
    requests: list[ModelRequest] = []

    def said(request: ModelRequest) -> str:
        requests.append(request)
        return "by thinking"

    result = await answered(FunctionModel(said), books, "Move the database", role)

    assert result.text == "by thinking"
    assert [message.role for message in requests[0].messages if message.role == "tool"] == []


@pytest.mark.parametrize("role", ["plan", "argue", "judge", "validate"])
async def test_rules_play_no_role_that_needs_thought(books: Path, rules: Model, role: str) -> None:
    result = await answered(rules, books, "Move the database", role)

    said = " ".join([result.text, *(reason.message for reason in result.reasons)])
    assert "language model" in said
    assert "certbot" not in said


def test_the_card_offers_what_can_be_done(books: Path) -> None:
    register_script("generalist", [])
    by_rules = card_of(Settings(model="offline:", runbook_roots=(books,)))
    thinking = card_of(Settings(model="scripted:generalist", runbook_roots=(books,)))

    assert [skill.id for skill in by_rules.skills] == ["runbooks.answer"]
    assert [skill.id for skill in thinking.skills] == ["runbooks.answer", "general.roles"]


async def test_without_runbooks_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="weft up --runbooks DIR"):
        async with opened(Settings(model="offline:")):
            pass
    with pytest.raises(ConfigError, match="is no directory of runbooks"):
        async with opened(Settings(model="offline:", runbook_roots=(tmp_path / "x",))):
            pass


async def test_it_opens_over_its_settings(books: Path) -> None:
    async with opened(Settings(model="offline:", runbook_roots=(books,))) as peer:
        result = await peer.start(Task(parts_of(QUESTION), "m"))

    assert "certbot renew" in result.text


@pytest.mark.requirement("CLI-5")
async def test_an_answer_is_walked_again_without_a_look_into_the_runbooks(
    books: Path, rules: Model
) -> None:
    journal = LocalJournal()
    task = Task(parts_of(QUESTION), "m", journal=journal)
    result = await generalist("g", rules, Library([books]), "You answer.", {}).start(task)
    shutil.rmtree(books)
    now = generalist("g", rules, Library([books]), "You answer.", {})

    again = await replayed_loop(
        now,
        LoopRecord(journal.run_id, dict(journal.steps), result),
        lambda new: replace(task, journal=new),
    )

    assert (again.difference, again.not_compared, again.calls) == (None, "", 1)
