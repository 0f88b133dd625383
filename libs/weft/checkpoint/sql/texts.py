"""The texts of all statements, constant and shared.

They are written for PostgreSQL with `?` for values; `greatest`, `clock()` (the time, in seconds) and
what locks rows are put as each database says them by its dialect.
"""


def said(*parts: str) -> str:
    """Return the text of constant parts."""
    return " ".join(parts)


def several(one: str, count: int, by: str = ", ") -> str:
    """Return `one`, in brackets, for each of `count` values."""
    return "(" + by.join([one] * count) + ")"


RUN = """SELECT r.position, r.run_id, r.tenant, r.subject, r.scopes, r.operation, r.idem_key,
    r.body_hash, r.thread_id, r.root_id, r.trace_id, r.created, r.waits,
    coalesce(q.request, '{}'), coalesce(q.authority, '{}'), r.status, r.epoch, r.owner, r.lease_until, r.deadline, r.rest,
    r.interrupts, r.expires_at, r.cancel, r.lost_leases, r.last_seq, r.last_batch, r.result,
    r.error, r.erased, r.started, r.updated
    FROM runs r LEFT JOIN requests q ON q.position = r.position """
LOCKED = " FOR UPDATE OF r"
UNLESS_LOCKED = " FOR UPDATE OF r SKIP LOCKED"
_OPEN_STATUS = "('queued', 'running', 'interrupted', 'canceling')"
_OF_KEY = "r.tenant = ? AND r.subject = ? AND r.operation = ? AND r.idem_key = ?"
_OF_THREAD = "r.tenant = ? AND r.subject = ? AND r.thread_id = ?"
_IS_OPEN = _OF_THREAD + " AND r.status IN " + _OPEN_STATUS
BY_ID = RUN + "WHERE r.run_id = ?"
BY_KEY = RUN + "WHERE " + _OF_KEY
OPEN = RUN + "WHERE " + _IS_OPEN + " ORDER BY r.position"
OF_THREAD = RUN + "WHERE " + _OF_THREAD + " ORDER BY r.position DESC LIMIT ?"
ROOTED = RUN + "WHERE r.tenant = ? AND r.subject = ? AND r.root_id = ?"
LISTED = RUN + "WHERE r.tenant = ? AND r.erased IN (0, 3)"
OF_SUBJECT, IN_STATUS, IN_THREAD = " AND r.subject = ?", " AND r.status = ?", " AND r.thread_id = ?"
SINCE, BEFORE = " AND r.created >= ?", " AND r.position < ?"
NEWEST_FIRST = " ORDER BY r.position DESC LIMIT ?"
THREADS = """SELECT min(position), subject, thread_id, min(created), max(updated) FROM runs
    WHERE tenant = ? AND erased = 0"""
THREADS_OF, BY_THREAD = " AND subject = ?", " GROUP BY subject, thread_id "
THREADS_BEFORE = "HAVING min(position) < ? "
LAST_BEGUN_FIRST = "ORDER BY min(position) DESC LIMIT ?"
_ENDED = "('completed', 'failed', 'canceled', 'expired')"
# What was created later cannot have ended before; the index has nothing that changes.
OLD = RUN + f"WHERE r.erased = 0 AND r.created < ? AND r.updated < ? AND r.status IN {_ENDED}"
OLD_FIRST = " ORDER BY r.created LIMIT ?"
_AT_REST = said(
    "NOT EXISTS (SELECT 1 FROM runs o WHERE o.tenant = t.tenant AND o.subject = t.subject",
    f"AND o.thread_id = t.thread_id AND (o.updated >= ? OR o.status IN {_OPEN_STATUS}))",
)
OLD_THREADS = said(
    "SELECT t.tenant, t.subject, t.thread_id FROM threads t",
    f"WHERE t.created < ? AND t.updated < ? AND {_AT_REST} ORDER BY t.created LIMIT ?",
)
BARE = said(
    "SELECT t.run_id FROM runs t WHERE t.erased IN (2, 3) AND t.created < ? AND t.updated < ?",
    f"AND {_AT_REST} ORDER BY t.created LIMIT ?",
)
ERASING = RUN + "WHERE r.erased = 1 AND r.position > ? ORDER BY r.position LIMIT ?"
# One look at all that decides on a request; there is a row even where nothing is.
DOOR = said(
    RUN.replace("SELECT ", "SELECT clock(), used.messages, ", 1).replace(
        "FROM runs r ",
        said(
            "FROM (SELECT count(*) AS messages FROM received WHERE tenant = ? AND subject = ?",
            "AND operation = ? AND key = ?) used",
            f"LEFT JOIN runs r ON ({_OF_KEY}) OR ({_IS_OPEN}) ",
        ),
    ),
    "ORDER BY r.position",
)
LOST = said(
    RUN,
    """WHERE r.status IN ('running', 'canceling')
    AND (r.lease_until <= clock() OR r.lease_until > clock() + ?) AND """,
)
QUEUED = said(
    RUN,
    """WHERE r.status = 'queued' AND NOT EXISTS (
    SELECT 1 FROM runs o WHERE o.tenant = r.tenant AND o.subject = r.subject
    AND o.thread_id = r.thread_id AND o.position < r.position
    AND o.status IN ('queued', 'running', 'interrupted', 'canceling')
    AND r.waits > 0 AND o.waits > 0 AND (r.waits = 2 OR o.status <> 'interrupted')) AND """,
)
DUE = RUN + "WHERE r.status = 'interrupted' AND r.expires_at <= clock() AND "
CLAIMABLE = said(
    """SELECT 0, clock() WHERE EXISTS (SELECT 1 FROM runs WHERE status IN ('running', 'canceling')
    AND (lease_until <= clock() OR lease_until > clock() + ?))
    UNION ALL SELECT 1, clock() WHERE EXISTS (SELECT 1 FROM runs WHERE status = 'queued')
    UNION ALL SELECT 2, clock() WHERE EXISTS (SELECT 1 FROM runs WHERE status = 'interrupted'
    AND expires_at <= clock())"""
)
"""Which of the three below can find anything: most looks find nothing, and take one statement."""
LOST_FIRST = " ORDER BY r.lease_until LIMIT 1"
QUEUED_FIRST = " ORDER BY r.position LIMIT 1"
DUE_FIRST = " ORDER BY r.expires_at LIMIT 1"
# Each half has an index of its own; parked runs, which may be many, are in neither.
WORKING = """SELECT tenant, subject, 'queued', count(*), min(updated) FROM runs
    WHERE status = 'queued' AND operation = ? GROUP BY tenant, subject
    UNION ALL SELECT tenant, subject, status, count(*), min(updated) FROM runs
    WHERE status IN ('running', 'canceling') AND operation = ? GROUP BY tenant, subject, status"""
ACCEPTED = "SELECT coalesce(max(position), 0) FROM runs"
LOG_STATES = "SELECT run_id, last_seq, status FROM runs WHERE run_id IN "
CLOCK = "SELECT clock()"
INSERT_RUN = """INSERT INTO runs (run_id, tenant, subject, scopes, operation, idem_key, body_hash,
    thread_id, root_id, trace_id, created, waits, status, epoch, owner, lease_until, deadline, rest,
    interrupts, expires_at, cancel, lost_leases, last_seq, last_batch, result, error, erased,
    started, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_REQUEST = """INSERT INTO requests (position, request, authority)
    SELECT position, ?, ? FROM runs WHERE run_id = ?"""
SAVE_RUN = """UPDATE runs SET status = ?, epoch = ?, owner = ?, lease_until = ?, deadline = ?,
    rest = ?, interrupts = ?, expires_at = ?, cancel = ?, lost_leases = ?, last_seq = ?,
    last_batch = ?, result = ?, error = ?, erased = ?, started = ?, updated = ?
    WHERE run_id = ?"""
_HELD = "run_id = ? AND epoch = ? AND status IN ('running', 'canceling')"
_NUMBERED = "RETURNING last_seq, updated, tenant, subject, thread_id, trace_id, erased"
NUMBER_EVENTS = said(
    """UPDATE runs SET last_seq = last_seq + ?, updated = greatest(updated, clock()),
    lost_leases = lost_leases * ? WHERE""",
    f"{_HELD} {_NUMBERED}",
)
NUMBER_BATCH = said(
    """UPDATE runs SET last_seq = last_seq + ?, updated = greatest(updated, clock()),
    last_batch = last_batch + 1 WHERE""",
    f"{_HELD} AND last_batch = ? {_NUMBERED}",
)
FINISH = said(
    """UPDATE runs SET status = ?, owner = NULL, lease_until = 0, result = ?, error = ?,
    last_seq = last_seq + ?, updated = greatest(updated, clock())
    WHERE run_id = ? AND epoch = ? AND erased = 0 AND status IN ('running', ?)""",
    _NUMBERED,
)
"""The last value is the other status that it may have."""
RENEW = """UPDATE runs SET lease_until = clock() + ?
    WHERE status IN ('running', 'canceling') AND owner IS NOT NULL AND """
RENEWED = " RETURNING run_id, cancel"
MESSAGE = """SELECT tenant, subject, operation, key, run_id, body_hash, received FROM received
    WHERE tenant = ? AND subject = ? AND operation = ? AND key = ?"""
ADD_MESSAGE = """INSERT INTO received
    (tenant, subject, operation, key, run_id, body_hash, received) VALUES (?, ?, ?, ?, ?, ?, ?)"""
ADD_EVENT = """INSERT INTO events (run_id, seq, ts, type, path, agent, span_id, origin, data)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
EVENTS = """SELECT run_id, seq, ts, type, path, agent, span_id, origin, data FROM events
    WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"""
ADD_STEP = said(
    """INSERT INTO steps (run_id, path, outcome) SELECT run_id, ?, ? FROM runs WHERE""",
    f"{_HELD} ON CONFLICT DO NOTHING",
)
ADD_ANSWER = """INSERT INTO steps (run_id, path, outcome) VALUES (?, ?, ?)
    ON CONFLICT DO NOTHING"""
STEP = "SELECT outcome FROM steps WHERE run_id = ? AND path = ?"
STEPS = "SELECT path, outcome FROM steps WHERE run_id = ? ORDER BY rowid"
_NO_OUTCOMES = "DELETE FROM outcomes WHERE position = (SELECT position FROM runs WHERE run_id = ?)"
ERASE = (
    "DELETE FROM requests WHERE position = (SELECT position FROM runs WHERE run_id = ?)",
    "DELETE FROM steps WHERE run_id = ?",
    "DELETE FROM events WHERE run_id = ?",
    "UPDATE ledger SET arguments = '{}', outcome = NULL WHERE run_id = ?",
    _NO_OUTCOMES,
)
PRUNE = ERASE[:3]
FORGET = (
    _NO_OUTCOMES,
    "DELETE FROM received WHERE run_id = ?",
    "DELETE FROM ledger WHERE run_id = ? AND state IN ('done', 'not_done')",
    "DELETE FROM runs WHERE run_id = ?",
)
ADD_OUTCOME = """INSERT INTO outcomes (position, goal, cell, success, bad)
    SELECT position, ?, ?, ?, 0 FROM runs WHERE run_id = ?"""
TALLY = """SELECT count(*), coalesce(sum(success * (1 - bad)), 0) FROM
    (SELECT success, bad FROM outcomes WHERE cell = ? ORDER BY position DESC LIMIT ?) newest"""
RATE = """UPDATE outcomes SET bad = ?
    WHERE position = (SELECT position FROM runs WHERE run_id = ?)"""
THREAD = """SELECT number, version, created, updated FROM threads
    WHERE tenant = ? AND subject = ? AND thread_id = ?"""
NEW_THREAD = """INSERT INTO threads (tenant, subject, thread_id, version, created, updated)
    VALUES (?, ?, ?, ?, clock(), clock()) ON CONFLICT DO NOTHING RETURNING number"""
GROW_THREAD = """UPDATE threads SET version = version + ?, updated = greatest(updated, clock())
    WHERE tenant = ? AND subject = ? AND thread_id = ? AND version = ? RETURNING number"""
ADD_ENTRY = "INSERT INTO messages (thread, n, run_id, body) VALUES (?, ?, ?, ?)"
ENTRIES = """SELECT run_id, body FROM messages WHERE n > ? AND thread =
    (SELECT number FROM threads WHERE tenant = ? AND subject = ? AND thread_id = ?) ORDER BY n"""
DELETE_THREAD = """DELETE FROM threads WHERE tenant = ? AND subject = ? AND thread_id = ?
    RETURNING number"""
DELETE_ENTRIES = "DELETE FROM messages WHERE thread = ?"
_EFFECT = """SELECT key, attempt, tenant, scope, scope_id, tool, args_hash, arguments, path, nonce,
    run_id, epoch, state, outcome, recorded_at FROM ledger """
NEWEST = _EFFECT + "WHERE key = ? ORDER BY attempt DESC LIMIT 1"
# There is a row of a held run even where the ledger has none.
ATTEMPTS = """SELECT clock(), r.status, r.erased, e.key, e.attempt, e.tenant, e.scope, e.scope_id, e.tool, e.args_hash,
    e.arguments, e.path, e.nonce, e.run_id, e.epoch, e.state, e.outcome, e.recorded_at
    FROM runs r LEFT JOIN ledger e ON e.key = ? WHERE r.run_id = ? AND r.epoch = ?
    AND r.status IN ('running', 'canceling') ORDER BY e.attempt"""
ATTEMPTS += LOCKED
PUT_EFFECT = """INSERT INTO ledger (key, attempt, tenant, scope, scope_id, tool, args_hash,
    arguments, path, nonce, run_id, epoch, state, outcome, recorded_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, attempt) DO UPDATE SET
    state = excluded.state, outcome = excluded.outcome, recorded_at = excluded.recorded_at"""
