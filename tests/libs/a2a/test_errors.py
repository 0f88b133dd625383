"""One table says how every error looks on every wire."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import weft
from weft.a2a.errors import WIRE, Wire, problem_fields, rpc_error, wire
from weft.core.errors import InputError, NotFoundError, StoreUnavailableError, WeftError
from weft.core.protocol_errors import VersionNotSupportedError

# The command line serves nobody, and contracts are no part of a running system.
SKIPPED = ("weft.testing", "weft.cli")
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

    found = {
        kind
        for kind in kinds(WeftError)
        if kind.__module__.startswith("weft.") and not kind.__module__.startswith(SKIPPED)
    }
    assert {kind.__name__ for kind in found - set(WIRE)} == set()
    assert set(WIRE) <= found


@pytest.mark.parametrize("row", WIRE.values())
def test_a_row_holds_codes_that_exist(row: Wire) -> None:
    assert 400 <= row.http <= 599
    assert row.grpc in GRPC
    assert -32700 <= row.a2a <= -32001


def test_an_error_nobody_listed_looks_like_its_nearest_kin() -> None:
    class HomeMadeError(NotFoundError):
        pass

    assert wire(HomeMadeError("thing", "x")) == WIRE[NotFoundError]
    del HomeMadeError


def test_a_problem_knows_its_status_and_whether_to_try_again() -> None:
    assert problem_fields(StoreUnavailableError("the database is away")) == {
        "type": "urn:weft:problem:store_unavailable",
        "title": "Store unavailable",
        "status": 503,
        "detail": "the database is away",
        "code": "store_unavailable",
        "retryable": True,
    }


def test_invalid_params_name_their_field_and_a_version_its_alternatives() -> None:
    wrong = rpc_error(InputError("must be a number", field="message.metadata.tokens"))
    version = rpc_error(VersionNotSupportedError("9.9", ["1.0"]))

    assert wrong["data"][1]["fieldViolations"] == [  # type: ignore[index,call-overload]
        {"field": "message.metadata.tokens", "description": "must be a number"}
    ]
    assert version["data"][0]["metadata"]["supportedVersions"] == "1.0"  # type: ignore[index,call-overload]
