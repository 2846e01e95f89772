"""Real OpenID Connect issuers, in a process of Node.js, and the people who sign in at them."""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

CLIENTS = Path(__file__).parents[1] / "clients"
MISSING = "the issuers are not installed: install Node.js 20 or newer with npm, then run `make clients`"
WITHIN_S = 60
FRONT = "front"
CALLBACK = "https://front.example.com/callback"
HUB = "urn:crm-graph"
ELSEWHERE = "urn:elsewhere"
PLAIN = "urn:plain"
FRONT_CLIENT = {
    "client_id": FRONT,
    "token_endpoint_auth_method": "none",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
}
SAVE = """
mutation($url: String!, $name: String, $audiences: [String!], $clients: [String!], $algorithms: [String!],
         $plain: Boolean, $leeway: Int, $map: [ClaimRuleInput!], $status: IssuerStatus) {
  saveIssuer(url: $url, name: $name, audiences: $audiences, clients: $clients, algorithms: $algorithms,
             plainTokens: $plain, leewaySeconds: $leeway, roleMap: $map, status: $status) {
    issuer {
      url name audiences clients algorithms plainTokens leewaySeconds status
      roleMap { claim value roles teams }
    }
    errors { code path message }
  }
}
"""


def rule(value: str, *roles: str, claim: tuple[str, ...] = ("groups",), teams: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"claim": list(claim), "value": value, "roles": list(roles), "teams": list(teams)}


GROUPS = [rule("crm-sales", "sales"), rule("crm-finance", "finance"), rule("crm-admin", "admin")]


@dataclass
class Live:
    """The time that issuers have too, and how far it is moved from that."""

    by: timedelta = timedelta()
    passed_s: float = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.by

    def monotonic(self) -> float:
        """Stands still until time is made to pass."""
        return self.passed_s

    def pass_(self, seconds: float) -> None:
        """Let the keys of issuers get older."""
        self.passed_s += seconds


@dataclass
class Tokens:
    """What a sign-in at an issuer gave."""

    access: str
    id: str


@dataclass
class Issuer:
    """One issuer, and a client of it."""

    url: str
    http: httpx.AsyncClient
    private_keys: list[dict[str, Any]] = field(default_factory=list)

    async def tell(self, **what: Any) -> Mapping[str, int]:
        """Make it what the test needs; gives how often each of its paths was asked."""
        told = (await self.http.post(f"{self.url}/control", json=what)).json()
        self.private_keys = told["keys"]
        asked: Mapping[str, int] = told["asked"]
        return asked

    async def asked(self, path: str) -> int:
        return (await self.tell()).get(path, 0)

    async def knows(self, subject: str, **claims: Any) -> None:
        """Somebody who can sign in there."""
        await self.tell(people={subject: claims})

    async def sign_in(self, subject: str, resource: str = HUB) -> Tokens:
        """Authorization code with PKCE (RFC 6749, 7636), as a browser and a front end do it."""
        verifier = secrets.token_urlsafe(48)
        asked = {
            "client_id": FRONT,
            "response_type": "code",
            "scope": "openid profile email groups",
            "redirect_uri": CALLBACK,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
            "resource": resource,
            "state": "x",
        }
        url = await walk(f"{self.url}/auth?{httpx.QueryParams(asked)}", subject, CALLBACK)
        (code,) = parse_qs(urlsplit(url).query)["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "client_id": FRONT,
            "code_verifier": verifier,
            "resource": resource,
        }
        answer = await self.http.post(f"{self.url}/token", data=form)
        assert answer.status_code == 200, answer.text
        return Tokens(answer.json()["access_token"], answer.json()["id_token"])

    async def token(self, subject: str, resource: str = HUB, **claims: Any) -> str:
        """An access token of somebody; with claims, of whom it knows just these from now on."""
        if claims:
            await self.knows(subject, **claims)
        return (await self.sign_in(subject, resource)).access

    async def forge(self, header: Mapping[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """A token with its own key, or another one, that says whatever the test wants; None takes a claim out."""
        await self.tell()
        jwk = self.private_keys[0]
        now = int(datetime.now(UTC).timestamp())
        base: dict[str, Any] = {
            "iss": self.url, "aud": "crm-graph", "sub": "mallory", "client_id": FRONT, "iat": now, "exp": now + 300,
            "jti": secrets.token_urlsafe(8), "groups": ["crm-sales"],
        }  # fmt: skip
        said = {name: value for name, value in (base | claims).items() if value is not None}
        head = {"alg": jwk["alg"], "typ": "at+jwt", "kid": jwk["kid"], **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        imported = key or (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(jwk)
        registry = JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        return jwt.encode(head, said, imported, registry=registry)


async def walk(url: str, subject: str, end: str, http: httpx.AsyncClient | None = None) -> str:
    """Follow redirects and fill in forms as `subject`, until one leads to `end`; gives that address."""
    async with httpx.AsyncClient() as own:
        browser = http or own
        answer = await browser.get(url)
        for _ in range(20):
            if answer.is_redirect:
                url = str(answer.url.join(answer.headers["location"]))
                if url.startswith(end):
                    return url
                answer = await browser.get(url)
                continue
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert prompt is not None, f"{answer.status_code} {answer.text}"
            form = {"prompt": prompt[1], "login": subject, "password": "any"}
            answer = await browser.post(str(answer.url), data=form)
    raise AssertionError("no end to the redirects")


@asynccontextmanager
async def issuers(count: int) -> AsyncIterator[list[Issuer]]:
    """So many issuers, which end with the block."""
    found = shutil.which("node")
    if found is None or not (CLIENTS / "node_modules" / ".installed").exists():
        pytest.fail(MISSING)
    process = await asyncio.create_subprocess_exec(
        found,
        CLIENTS / "issuers.mjs",
        cwd=CLIENTS,
        env={"PATH": os.defpath, "COUNT": str(count), "NODE_NO_WARNINGS": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            urls = orjson.loads(await process.stdout.readline())
        async with httpx.AsyncClient(timeout=30) as http:
            made = [Issuer(url, http) for url in urls]
            for issuer in made:
                await issuer.tell(clients=[FRONT_CLIENT])
            yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
