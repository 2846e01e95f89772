"""What another site can make a visitor's browser send runs nothing, whatever that browser holds: a token is taken from
the Authorization header alone, which no form, link, image or simple request can set.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import orjson
import pytest

from crm_graph import web

from .conftest import Answer, Crm

MUTATION = 'mutation { createCustomer(input: { name: "forged", kind: PERSON }) { errors { code } } }'
QUERY = "{ customers { nodes { name } } }"
FOREIGN: Mapping[str, str] = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
UNAUTHENTICATED = (401, "UNAUTHENTICATED", "A valid access token is needed.")
SIMPLE_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")


def ambient(crm: Crm) -> dict[str, str]:
    """All that a browser adds of itself: cookies, even if they held a token, and remembered Basic credentials."""
    token = crm.token("sun")
    return {**FOREIGN, "Cookie": f"token={token}; access_token={token}; Authorization=Bearer {token}"}


@pytest.mark.parametrize("document", [QUERY, MUTATION])
async def test_a_link_or_an_image_runs_nothing(crm: Crm, document: str) -> None:
    before = await crm.count("customers")
    url = "/graphql?" + urlencode({"query": document, "access_token": crm.token("sun"), "token": crm.token("sun")})

    answer = Answer(await crm.http.get(url, headers=ambient(crm)))

    assert answer.error == UNAUTHENTICATED
    assert await crm.count("customers") == before


@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
async def test_a_form_or_a_simple_request_runs_nothing(crm: Crm, content_type: str) -> None:
    before = await crm.count("customers")
    body = orjson.dumps({"query": MUTATION})
    headers = {**ambient(crm), "Content-Type": content_type}

    without = Answer(await crm.http.post("/graphql", content=body, headers=headers))
    basic = Answer(
        await crm.http.post("/graphql", content=body, headers={**headers, "Authorization": "Basic c3VuOg=="})
    )
    with_token = Answer(await crm.http.post("/graphql", content=body, headers={**headers, **crm.headers("sun")}))

    assert without.error == basic.error == UNAUTHENTICATED
    assert with_token.error[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert await crm.count("customers") == before


@pytest.mark.parametrize("asked", ["authorization,content-type", "content-type", ""])
async def test_a_preflight_of_another_site_is_not_allowed(crm: Crm, asked: str) -> None:
    headers = {**FOREIGN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}

    response = await crm.http.options("/graphql", headers=headers)

    assert response.status_code == 401
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_an_answer_cannot_be_read_by_another_site(crm: Crm) -> None:
    response = await crm.http.post("/graphql", json={"query": QUERY}, headers={**FOREIGN, **crm.headers("sun")})

    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control-")]


def test_only_the_sign_in_of_the_console_knows_cookies() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in Path(web.__file__).parent.rglob("*.py")}

    assert {name for name, source in sources.items() if re.search("cookie", source, re.IGNORECASE)} == {"sign_in.py"}
