"""What stands around a request, slips of the hand, and words of other languages."""

import pytest

from weft.language.courtesy import without_courtesy
from weft.language.cues import Reading
from weft.language.spelling import Spelling


@pytest.mark.parametrize(
    ("text", "request_alone"),
    [
        ("Could you please check basket, thanks", "check basket"),
        ("I'd like to understand what the edge depends on.", "what the edge depends on."),
        ("so... are we back to normal?", "are we back to normal?"),
        ("would somebody tell me when it began", "tell me when it began"),
        ("could we lose orders", "could we lose orders"),
        ("I want to order a pizza", "I want to order a pizza"),
        ("hello", "hello"),
        ("thanks!", "thanks!"),
    ],
)
def test_what_only_asks_to_be_heard_is_no_part_of_a_request(text: str, request_alone: str) -> None:
    assert without_courtesy(text) == request_alone


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("chnages", "changes"),
        ("chnges", "changes"),
        ("channges", "changes"),
        ("charges", "charges"),
        ("hcanges", "hcanges"),
        ("chgs", "chgs"),
        ("changer", "changer"),
        ("chang3s", "chang3s"),
    ],
)
def test_one_letter_out_of_place_is_a_slip_and_another_letter_another_word(
    typed: str, meant: str
) -> None:
    assert Spelling({"changes"}, besides={"changer"}).meant(typed) == meant


@pytest.mark.parametrize(
    ("text", "language", "english"),
    [
        ("Seit wann ist payment-service langsam?", "German", "since when is payment-service slow?"),
        ("¿Quién llama a basket?", "Spanish", "¿who calls to basket?"),
        ("résume l'incident", "French", "summarize incident"),
        ("o que mudou?", "Portuguese", "what changed?"),
        ("perché basket è lento?", "Italian", "why basket is slow?"),
        ("为什么 basket 很慢?", "Chinese", "why basket slow ?"),
        ("basket が遅いのはなぜ?", "Japanese", "basket slow why ?"),
    ],
)
def test_other_languages_are_read_word_by_word(text: str, language: str, english: str) -> None:
    reading = Reading.of(text)

    assert reading.gloss is not None
    assert (reading.gloss.language, reading.gloss.text) == (language, english)
    assert not reading.english


@pytest.mark.parametrize("text", ["why is basket slow", "no errors in la", "die", "Почему?", ""])
def test_english_and_unknown_languages_are_left_as_they_are(text: str) -> None:
    assert Reading.of(text).gloss is None
    assert Reading.of(text).in_english.text == text
