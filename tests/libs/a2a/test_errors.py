"""Errors as A2A callers see them."""

from weft.a2a.wire.errors import rpc_error
from weft.core.errors import InputError
from weft.core.protocol_errors import VersionNotSupportedError


def test_invalid_params_name_their_field_and_a_version_its_alternatives() -> None:
    wrong = rpc_error(InputError("must be a number", field="message.metadata.tokens"))
    version = rpc_error(VersionNotSupportedError("9.9", ["1.0"]))

    assert wrong["data"][1]["fieldViolations"] == [  # type: ignore[index,call-overload]
        {"field": "message.metadata.tokens", "description": "must be a number"}
    ]
    assert version["data"][0]["metadata"]["supportedVersions"] == "1.0"  # type: ignore[index,call-overload]
