"""Answers are compressed for who asks for it, where it pays; what comes out is the same."""

import gzip

import httpx
import pytest

from crm_graph.web import graphiql
from crm_graph.web.compression import LARGE_BYTES, WORTH_BYTES

from .conftest import Crm

NAMES = "{ __schema { types { name } } }"
WHOLE = "{ __schema { types { name description fields { name description args { name description } } } } }"
SMALL = "{ __typename }"


async def asked(crm: Crm, query: str, accept_encoding: str | None) -> tuple[httpx.Response, bytes]:
    """The answer and its body as it came over the wire."""
    request = crm.http.build_request("POST", "/graphql", json={"query": query}, headers=crm.headers("sun"))
    del request.headers["Accept-Encoding"]
    if accept_encoding is not None:
        request.headers["Accept-Encoding"] = accept_encoding
    response = await crm.http.send(request, stream=True)
    raw = b"".join([chunk async for chunk in response.aiter_raw()])
    return response, raw


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("br, zstd, gzip, deflate", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=0.5, identity;q=0.2", "gzip"),
        ("gzip;q=0.2, identity;q=0.5", None),
        ("gzip;q=0", None),
        ("gzip;q=0, *", None),
        ("*;q=0", None),
        ("identity", None),
        ("br, deflate", None),
        ("gzip;q=nonsense", "gzip"),
    ],
)
async def test_the_encoding_is_what_the_client_likes_best(
    crm: Crm, accept_encoding: str | None, encoding: str | None
) -> None:
    plain, expected = await asked(crm, NAMES, None)
    response, raw = await asked(crm, NAMES, accept_encoding)

    assert len(expected) >= WORTH_BYTES
    assert response.headers.get("content-encoding") == encoding
    assert (gzip.decompress(raw) if encoding else raw) == expected
    assert response.headers["content-length"] == str(len(raw))
    assert response.headers["content-type"] == plain.headers["content-type"]


@pytest.mark.parametrize("query", [NAMES, WHOLE, "{ nope }", SMALL])
async def test_no_cache_may_keep_an_answer_whatever_its_encoding(crm: Crm, query: str) -> None:
    for accept_encoding in (None, "gzip"):
        response, _ = await asked(crm, query, accept_encoding)
        assert response.headers["cache-control"] == "no-store"


async def test_what_fits_into_a_packet_stays_as_it_is(crm: Crm) -> None:
    response, raw = await asked(crm, SMALL, "gzip")

    assert "content-encoding" not in response.headers
    assert raw == b'{"data":{"__typename":"Query"},"extensions":{"cost":{"requested":0,"remaining":null}}}'


async def test_a_large_answer_is_a_fraction_on_the_wire(crm: Crm) -> None:
    _, plain = await asked(crm, WHOLE, None)
    _, raw = await asked(crm, WHOLE, "gzip")

    assert len(plain) > LARGE_BYTES
    assert gzip.decompress(raw) == plain
    assert len(raw) < len(plain) / 5


async def test_a_long_refusal_is_compressed_too(crm: Crm) -> None:
    response, raw = await asked(crm, "{ " + "n" * 2000 + " }", "gzip")

    assert (response.status_code, response.headers["content-encoding"]) == (400, "gzip")
    assert b'"code":"VALIDATION_FAILED"' in gzip.decompress(raw)


@pytest.mark.parametrize("accept_encoding", ["gzip, deflate, br", "identity"])
async def test_files_of_the_page_are_served_packed_and_asked_for_once(crm: Crm, accept_encoding: str) -> None:
    for asset in graphiql.assets():
        headers = {"Accept-Encoding": accept_encoding}
        first = await crm.http.get(asset.url, headers=headers)
        again = await crm.http.get(asset.url, headers={**headers, "If-None-Match": first.headers["etag"]})
        assert first.content == asset.file.read_bytes()
        assert first.headers["content-type"].startswith(asset.media_type)
        assert first.headers["vary"] == "Accept-Encoding"
        assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert first.headers.get("content-encoding") == (None if accept_encoding == "identity" else "gzip")
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])


async def test_a_packed_file_and_a_plain_one_are_not_the_same_to_a_cache(crm: Crm) -> None:
    url = graphiql.assets()[0].url
    tags = {(await crm.http.get(url, headers={"Accept-Encoding": e})).headers["etag"] for e in ("gzip", "identity")}

    assert len(tags) == 2
