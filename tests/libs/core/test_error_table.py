"""One table says how every error looks on every wire."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import weft
from weft.core.error_table import LOOKS, ErrorLook, look
from weft.core.errors import NotFoundError, WeftError

# The command line serves nobody, and contracts are no part of a running system.
SKIPPED = ("weft.testing", "weft.cli", "weft.local")
OF_NO_CLASS = {"request_timeout", "headers_too_large", "budget_exhausted"}
"""Refused below everything that raises, by the guard of the HTTP protocol; or how a run ends."""
GRPC = {
    "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL",
    "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED", "UNAVAILABLE", "UNIMPLEMENTED",
}  # fmt: skip


def kinds(kind: type[WeftError]) -> Iterator[type[WeftError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from kinds(each)


def load_all() -> None:
    for module in pkgutil.walk_packages(weft.__path__, "weft."):
        if not module.name.startswith(SKIPPED):
            importlib.import_module(module.name)


def test_every_error_has_a_place_on_the_wire() -> None:
    load_all()

    codes = {
        kind.code
        for kind in kinds(WeftError)
        if kind.__module__.startswith("weft.") and not kind.__module__.startswith(SKIPPED)
    }
    assert codes - set(LOOKS) == set()
    assert set(LOOKS) - codes == OF_NO_CLASS


@pytest.mark.parametrize("row", set(LOOKS.values()), ids=str)
def test_a_row_holds_codes_that_exist(row: ErrorLook) -> None:
    assert 400 <= row.http <= 599
    assert row.grpc in GRPC
    assert -32700 <= row.a2a <= -32001


@pytest.mark.parametrize("code", [row.refusal for row in LOOKS.values() if row.refusal])
def test_what_a_refusal_is_shown_as_is_shown_as_itself(code: str) -> None:
    assert LOOKS[code].refusal == code


def test_an_error_nobody_listed_looks_like_its_nearest_kin() -> None:
    class HomeMadeError(NotFoundError):
        code = "home_made"

    assert look(HomeMadeError("thing", "x")) == LOOKS["not_found"]
    del HomeMadeError
