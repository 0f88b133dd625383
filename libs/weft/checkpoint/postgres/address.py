"""Which server, database and schema a URL names."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from weft.core.errors import ConfigError

DEFAULT_SCHEMA = "weft"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Address:
    """A place for tables; `dsn` is what the driver understands, and may hold a password."""

    dsn: str = field(repr=False)
    schema: str
    shown: str
    """What may be said of it aloud."""


def address_of(url: str) -> Address:
    """Return what `postgresql://user@host/database?schema=name` names; the schema may be left out.

    Raises:
        ConfigError: The URL names no database, or its schema is none that needs no quotes.
    """
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(options).get("schema", DEFAULT_SCHEMA)
    if not _NAME.fullmatch(schema):
        raise ConfigError(
            "the schema of a PostgreSQL URL is a name of at most 63 lower-case letters, digits and"
            " '_', as in 'postgresql://host/mesh?schema=metrics'"
        )
    if not parts.path.strip("/"):
        raise ConfigError("name a database, as in 'postgresql://user@host:5432/mesh'")
    rest = [(name, value) for name, value in options if name != "schema"]
    host = parts.hostname or dict(rest).get("host", "localhost")
    return Address(
        dsn=f"postgresql://{parts.netloc}{parts.path}" + (f"?{urlencode(rest)}" if rest else ""),
        schema=schema,
        shown=f"{parts.path.strip('/')} at {host}",
    )
