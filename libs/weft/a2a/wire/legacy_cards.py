"""Cards that clients of 0.3 read, too."""

from collections.abc import Mapping

from weft.core import JsonObject, JsonValue

__all__ = ["dual"]

LEGACY_VERSION = "0.3.0"


def dual(card: JsonObject) -> JsonObject:
    """Return the card of a 1.0 agent that serves 0.3 at its JSON-RPC address, as both may read it.

    Security schemes say what they are in both forms. A signature over such a card would hold for
    nobody who reads into the values of one version and writes those again to check it.
    """
    interfaces = card["supportedInterfaces"]
    listed = interfaces if isinstance(interfaces, list) else []
    urls = [
        interface["url"]
        for interface in listed
        if isinstance(interface, dict) and interface.get("protocolBinding") == "JSONRPC"
    ]
    if not urls:
        return card
    old: JsonObject = {"url": urls[0], "protocolBinding": "JSONRPC", "protocolVersion": "0.3"}
    shown: JsonObject = {
        **card,
        "supportedInterfaces": [*listed, old],
        "url": urls[0],
        "protocolVersion": LEGACY_VERSION,
        "preferredTransport": "JSONRPC",
        "supportsAuthenticatedExtendedCard": False,
    }
    if isinstance(schemes := card.get("securitySchemes"), dict):
        shown["securitySchemes"] = {name: _scheme(scheme) for name, scheme in schemes.items()}
        shown["security"] = [{name: []} for name in schemes]
    return shown


def _scheme(scheme: JsonValue) -> JsonValue:
    if not isinstance(scheme, dict):
        return scheme
    key, http = scheme.get("apiKeySecurityScheme"), scheme.get("httpAuthSecurityScheme")
    if isinstance(key, Mapping):
        return {**scheme, "type": "apiKey", "in": key.get("location"), "name": key.get("name")}
    if isinstance(http, Mapping):
        return {**scheme, "type": "http", "scheme": http.get("scheme")}
    return scheme
