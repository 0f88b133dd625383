"""What is told of secrets: nothing, whether a name or a form gives them away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.events import hidden, redact

KEY = "wft_" + "0a" * 8 + "_" + "Zx9-_" * 8


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "sk-" + "abcd1234" * 4,
        "ghp_" + "abcd1234" * 4,
        "eyJhbGciOi.eyJzdWIi.c2ln",
        "Bearer abcdef0123456789",
        "password=hunter2",
        "postgres://weft:hunter2@db/weft",
    ],
)
def test_a_text_of_credential_form_is_never_told(secret: str) -> None:
    told = redact(f"it said {secret}, twice: {secret}")

    assert "[redacted]" in told
    for part in (KEY[-20:], "abcd1234", "c2ln", "abcdef01", "hunter2"):
        assert part not in told


@pytest.mark.parametrize(
    "filler", ["a-", "QUJD", "eyJ", "x://y ", "token ", "password=x ", "line\n"]
)
def test_a_secret_is_found_at_the_end_of_a_long_text_too(filler: str) -> None:
    told = redact(f"{filler * (1_000_000 // len(filler))} api_key={KEY[-20:]}")

    assert KEY[-20:] not in told
    assert told.endswith("api_key=[redacted]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("retry=token=abc", "retry=token=[redacted]"),
        ("token: password: abc", "token: [redacted] abc"),
        ('{"x-api-key" : "abc", "user": "ana"}', '{"x-api-key" : [redacted], "user": "ana"}'),
        ("--db-password abc --token=abc", "--db-password abc --token=[redacted]"),
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [redacted]"),
        ("a.b.eyJhbGciOi.eyJzdWIi.c2ln", "a.b.[redacted]"),
        ("eyJhbGciOi.only", "eyJhbGciOi.only"),
        ("http://ana:p:w@db and http://bob@db", "http://ana:[redacted]@db and http://bob@db"),
    ],
)
def test_what_stands_around_a_secret_stays(text: str, told: str) -> None:
    assert redact(text) == told


def test_values_are_hidden_by_name_and_by_form_however_deep() -> None:
    told = hidden({"user": "ana", "list": [{"api_key": 1, "say": f"use {KEY}"}], "Cookie": "c"})

    assert told == {
        "user": "ana",
        "list": [{"api_key": "[redacted]", "say": "use [redacted]"}],
        "Cookie": "[redacted]",
    }


FRAGMENTS = (
    KEY, "Bearer ", "BASIC ", "abcdef0123456789", "api_key", "apikey=", "token: ", "SECRET=", "pwd=x",
    "passwd", "credential", "Authorization: ", "x://u:p@h", "sk-", "AKIA", "xoxb", "gho_", "eyJ", "a.b-c",
)  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS) | st.text("aekY _.:=@/-", max_size=6)).map("".join))
def test_a_text_that_is_not_searched_holds_no_secret(text: str) -> None:
    # Every text with a letter beyond ASCII is searched.
    assert redact(f"é {text}") == f"é {redact(text)}"
