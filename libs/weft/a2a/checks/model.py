"""What a check comes to."""

from typing import Literal

from weft.core import Record

Verdict = Literal["ok", "fault", "advice", "unchecked"]


class Check(Record):
    """One thing that was looked at: whether it holds, and what to do where it does not."""

    subject: str
    verdict: Verdict
    words: str = ""


def judged(subject: str, holds: object, words: str, *, verdict: Verdict = "fault") -> Check:
    """Return `ok` where it holds, else `verdict` with what is wrong."""
    return (
        Check(subject=subject, verdict="ok")
        if holds
        else Check(subject=subject, verdict=verdict, words=words)
    )
