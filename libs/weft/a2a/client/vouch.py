"""What others say of themselves, read against the mesh's keys and asked for at their addresses."""

import logging
import secrets

import aiohttp

from weft.a2a.client.transport import OK, get_bounded
from weft.a2a.seals import MAX_SEAL, PROOF_PATH, read_seal
from weft.catalog import Entry
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.protocol_errors import CardRefusedError
from weft.identity.keys import Trust

log = logging.getLogger(__name__)

PROOF_SECONDS = 2.0


class MeshVouch:
    """Reads seals against the mesh's keys, and asks instances over HTTP; see `catalog.Vouch`."""

    def __init__(
        self, trust: Trust, session: aiohttp.ClientSession, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._trust = trust
        self._session = session
        self._clock = clock

    async def read(self, sealed: bytes) -> Entry | None:
        try:
            return await read_seal(sealed, self._trust, clock=self._clock)
        except CardRefusedError as error:
            log.warning("seal_refused", extra={"reason": str(error)})
            return None

    async def prove(self, entry: Entry) -> Entry | None:
        nonce = secrets.token_hex(16)
        try:
            answer = await self._ask(entry.url.rstrip("/") + PROOF_PATH, nonce)
            proven = await read_seal(answer, self._trust, nonce=nonce, clock=self._clock)
        except TimeoutError:
            log.info("instance_hangs", extra={"peer": entry.service})
            raise
        except (aiohttp.ClientError, OSError, ValueError, CardRefusedError) as error:
            why = {"peer": entry.service, "reason": f"{type(error).__name__}: {error}"[:200]}
            log.info("instance_not_proven", extra=why)
            return None
        return proven if (proven.service, proven.url) == (entry.service, entry.url) else None

    async def _ask(self, url: str, nonce: str) -> bytes:
        status, answer = await get_bounded(
            self._session, url, most=MAX_SEAL, within=PROOF_SECONDS, params={"nonce": nonce}
        )
        if status != OK:
            raise CardRefusedError(f"it is not there (HTTP {status})")
        return answer
