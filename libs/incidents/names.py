"""Names as recordings write them, brought to one form of bounded length."""

import hashlib
import re

from incidents.text import cut, visible

MOST_NAME = 200
"""So many characters of a name are kept, the digest of a longer one included."""
_DIGEST = 12
_POD = re.compile(r"-[0-9a-f]{6,10}-[a-z0-9]{5}$")
_REPLICA = re.compile(r"-\d{1,3}$")


def service_of(pod: str) -> str:
    """Return the service a pod belongs to: its name without template hash or replica number."""
    name = pod.strip()
    stripped = _POD.sub("", name)
    return short_name(stripped if stripped != name else _REPLICA.sub("", name))


def short_name(name: str) -> str:
    """Return a visible name of at most `MOST_NAME` characters; different names stay different.

    Equal names give equal ones everywhere, so that what several analysts say still meets.
    """
    name = visible(name)
    if len(name) <= MOST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{cut(name, MOST_NAME - _DIGEST)}{digest}"
