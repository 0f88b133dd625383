"""What may stand in a body, and what is refused with a pointer to it."""

import json

import httpx
import pytest

from tests.libs.server.door import STORES

JSON = {"content-type": "application/json"}


async def sent(ana: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await ana.post("/invoke", content=body, headers={**JSON, **headers})


STORED_IDS = {
    "SEC-39": ["a.b"],
    "SEC-40": ["*"],
    "SEC-41": [">"],
    "SEC-42": ["$JS.API.STREAM.DELETE.X"],
    "SEC-44": [".a"],
    "SEC-45": ["a."],
    "SEC-51": ["'; DROP TABLE runs; --"],
    "SEC-54": ["\N{WAVING HAND SIGN}", "\u202eabc", "caf\u00e9", "cafe\u0301"],
    "SEC-55": ["anon", "null", "undefined", "0", "None", "__proto__"],
}


@STORES
@pytest.mark.requirement(
    "SEC-39", "SEC-40", "SEC-41", "SEC-42", "SEC-44", "SEC-45", "SEC-51", "SEC-54", "SEC-55", "GW-1"
)
async def test_a_thread_id_is_taken_as_it_is(ana: httpx.AsyncClient) -> None:
    ids = [each for some in STORED_IDS.values() for each in some]

    for thread_id in ids:
        answer = await ana.post(
            "/invoke", json={"prompt": f"in {thread_id}", "thread_id": thread_id}
        )
        assert answer.json()["thread_id"] == thread_id

    for thread_id in ids:
        thread = (
            await ana.get(httpx.URL("http://localhost/threads/").join(_quoted(thread_id)))
        ).json()
        said = [each["content"] for each in thread["messages"] if each["role"] == "user"]
        assert (thread["thread_id"], said) == (thread_id, [f"in {thread_id}"])


def _quoted(thread_id: str) -> str:
    return "/threads/" + "".join(f"%{byte:02x}" for byte in thread_id.encode())


BAD_IDS = [
    ".", "..", "", "a/b", "t" * 129, "t" * 5000, "a\r\nPUB evil 1", "a\x00b", "\ud800", "a\x85b",
    5, True, ["t"], {"t": 1},
]  # fmt: skip


@pytest.mark.requirement("SEC-43", "SEC-46", "SEC-47", "SEC-48", "SEC-49")
async def test_a_thread_id_that_may_not_be_is_refused(ana: httpx.AsyncClient) -> None:
    for thread_id in BAD_IDS:
        answer = await sent(ana, json.dumps({"prompt": "x", "thread_id": thread_id}).encode())

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"]


@pytest.mark.requirement("SEC-46")
async def test_a_thread_id_in_the_path_is_held_to_the_same_rules(ana: httpx.AsyncClient) -> None:
    most = await ana.post(f"/v1/threads/{'t' * 128}/runs", json={"input": "x"})
    for thread_id in ("t" * 129, "t" * 5000):
        answer = await ana.post(f"/v1/threads/{thread_id}/runs", json={"input": "x"})

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert most.status_code == 202


@pytest.mark.requirement("SEC-52", "SEC-53")
async def test_metadata_is_data_whatever_its_names(ana: httpx.AsyncClient) -> None:
    metadata = {
        "$.a') OR 1=1--": "x",
        "__proto__": {"polluted": True},
        "__class__": "builtins.object",
        "constructor": {"lc": 1, "type": "constructor", "id": ["os", "system"]},
    }

    made = await ana.post("/v1/runs", json={"input": "x", "metadata": metadata})

    run = (await ana.get(f"/v1/runs/{made.json()['run_id']}")).json()
    assert run["metadata"] == metadata


@pytest.mark.requirement("SEC-90")
@pytest.mark.parametrize(
    "metadata",
    [
        {"principal": "root"},
        {"tenant": "evil"},
        {"approval": {"answer": {"approved": True}}},
        {"risk": "LOW"},
        {"a": "x" * 513},
        {str(number): 1 for number in range(17)},
        "text",
        [1],
    ],
)
async def test_metadata_beyond_its_bounds_is_refused(
    ana: httpx.AsyncClient, metadata: object
) -> None:
    answer = await ana.post("/v1/runs", json={"input": "x", "metadata": metadata})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/metadata"


NESTED = b"[" * 100_000 + b"]" * 100_000
REFUSED = {
    "SEC-77": (422, b'{"prompt":"x","metadata":{"a":%s}}' % NESTED),
    "SEC-77b": (422, b'{"prompt":"x","metadata":{"a":%s}}' % (b"[" * 33 + b"]" * 33)),
    "SEC-78": (
        422,
        b'{"prompt":"x","metadata":{%s}}' % b",".join(b'"%d":1' % n for n in range(60_000)),
    ),
    "SEC-78b": (422, b'{"prompt":"x","metadata":{"a":[%s]}}' % b",".join([b"1"] * 10_001)),
    "SEC-79": (422, b'{"prompt":"x","metadata":{"a":%s}}' % (b"9" * 5000)),
    "SEC-79b": (422, b'{"prompt":"x","metadata":{"a":18446744073709551616}}'),
    "SEC-80": (422, b'{"prompt":"x","metadata":{"a":1e999}}'),
    "SEC-81": (422, b'{"prompt":"x","metadata":{"a":NaN}}'),
    "SEC-81b": (422, b'{"prompt":"x","metadata":{"a":-Infinity}}'),
    "SEC-82": (422, b'{"prompt":"x","prompt":"y"}'),
    "SEC-82b": (422, b'{"prompt":"x","metadata":{"a":1,"\\u0061":2}}'),
    "SEC-83": (415, '{"prompt":"x"}'.encode("utf-16")),
    "SEC-83b": (415, '{"prompt":"x"}'.encode("utf-16-le")),
    "SEC-83c": (415, '{"prompt":"x"}'.encode("utf-32")),
    "SEC-84": (400, b'\xef\xbb\xbf{"prompt":"x"}'),
    "SEC-85": (400, b'{"prompt":"\xff\xfe"}'),
    "SEC-85b": (400, b'{"prompt":"\xc0\xaf"}'),
    "SEC-86": (422, b'["prompt"]'),
    "SEC-86b": (422, b"null"),
    "SEC-86c": (400, b""),
    "SEC-86d": (400, b"   "),
    "SEC-89": (422, b'{"prompt":"x","promt":"y"}'),
    "NUL": (422, b'{"prompt":"a\\u0000b"}'),
    "NUL in a key": (422, b'{"prompt":"x","metadata":{"a\\u0000":1}}'),
    "lone surrogate": (422, b'{"prompt":"\\ud800"}'),
    "two values": (400, b'{"prompt":"x"}{}'),
    "a comment": (400, b'{"prompt":"x"}//'),
    "a raw newline": (400, b'{"prompt":"a\nb"}'),
}


@pytest.mark.requirement(
    "GW-39", "SEC-77", "SEC-78", "SEC-79", "SEC-80", "SEC-81", "SEC-82", "SEC-83", "SEC-84",
    "SEC-85", "SEC-86", "SEC-89",
)  # fmt: skip
async def test_json_that_not_every_reader_reads_alike_is_refused(ana: httpx.AsyncClient) -> None:
    answers = {name: await sent(ana, body) for name, (_, body) in REFUSED.items()}

    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert statuses == {name: status for name, (status, _) in REFUSED.items()}
    codes = {400: "invalid_json", 415: "unsupported_media_type", 422: "invalid_request"}
    for answer in answers.values():
        assert answer.json()["code"] == codes[answer.status_code]
        assert answer.status_code != 422 or "pointer" in answer.json()["errors"][0]
    assert (await sent(ana, b'{"prompt":"x"}')).status_code == 200


@pytest.mark.requirement("SEC-70", "SEC-83", "SEC-88", "SEC-91", "GW-39")
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/jsonp"},
        {"content-encoding": "gzip"},
        {"content-encoding": "identity"},
    ],
)
async def test_other_media_is_refused(ana: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await ana.post("/invoke", content=b'{"prompt":"x"}', headers={**JSON, **headers})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_json_may_say_that_it_is_utf_8(ana: httpx.AsyncClient) -> None:
    kind = 'Application/JSON; charset="UTF-8"'

    assert (await sent(ana, b'{"prompt":"x"}', **{"content-type": kind})).status_code == 200


@pytest.mark.requirement("SEC-87", "GW-39")
async def test_a_prompt_is_bounded_in_bytes(ana: httpx.AsyncClient) -> None:
    fits = await ana.post("/invoke", json={"prompt": "x" * 256 * 1024})
    long = await ana.post("/invoke", json={"prompt": "x" * (256 * 1024 + 1)})
    wide = await ana.post("/v1/runs", json={"input": "\N{WAVING HAND SIGN}" * (64 * 1024 + 1)})

    assert fits.status_code == 200
    for answer in (long, wide):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/input"),
        ({"prompt": "x", "input": "y"}, "/input"),
        ({"prompt": "  "}, "/prompt"),
        ({"input": []}, "/input"),
        ({"input": [{"role": "system", "content": "x"}]}, "/input/0/role"),
        ({"input": [{"role": "user", "content": [{"url": "x"}]}]}, "/input/0/content/0/url"),
        ({"input": 5}, "/input"),
        ({"prompt": "x", "on_disconnect": "cancel"}, "/on_disconnect"),
        ({"prompt": "x", "on_conflict": "rollback"}, "/on_conflict"),
        ({"prompt": "x", "webhook_id": "w"}, "/webhook_id"),
        ({"prompt": "x", "interrupt_ttl_s": 5}, "/interrupt_ttl_s"),
        ({"prompt": "x", "timeout_s": 0}, "/timeout_s"),
        ({"prompt": "x", "timeout_s": 3601}, "/timeout_s"),
        ({"prompt": "x", "timeout_s": "5"}, "/timeout_s"),
        ({"prompt": "x", "a/b~c": 1}, "/a~1b~0c"),
    ],
)
async def test_every_wrong_field_is_pointed_at(
    ana: httpx.AsyncClient, body: dict[str, object], pointer: str
) -> None:
    answer = await ana.post("/v1/runs", json=body)

    assert answer.status_code == 422
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]


@pytest.mark.parametrize("value", ["0", "3600001", "-1", "1.5", "x", "99999999"])
async def test_a_timeout_in_a_header_is_checked(ana: httpx.AsyncClient, value: str) -> None:
    answer = await ana.post("/v1/runs", json={"input": "x"}, headers={"weft-timeout-ms": value})

    assert answer.status_code == 422
