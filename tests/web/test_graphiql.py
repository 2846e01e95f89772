"""The GraphiQL page over real HTTP: it is complete, loads from its own host only, and gives away no other file."""

import asyncio
import hashlib
import re
import socket
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import uvicorn
from graphql import parse, validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm_graph.catalog import build_catalog
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy
from crm_graph.resolvers.operations import RoleSchemas
from crm_graph.schema.build import build_schema, role_schemas
from crm_graph.web import graphiql

CATALOG = build_catalog()
VENDOR = Path(graphiql.__file__).parent / "static" / "graphiql" / "vendor"


class Page(HTMLParser):
    """The tags of the page, what it links to, and the text that stands in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        key = attributes.get("id") or tag
        self.text[key] = self.text.get(key, "") + data


async def show_page(request: Request) -> Response:
    return Response(graphiql.page(), headers={k.decode(): v.decode() for k, v in graphiql.HEADERS})


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Route("/graphql", show_page), *graphiql.routes()])
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(base_url=address) as client:
            tasks.create_task(server.serve(sockets=[listening]))
            yield client
            server.should_exit = True


@pytest.fixture
async def page(http: httpx.AsyncClient) -> Page:
    return Page((await http.get("/graphql")).raise_for_status().text)


@pytest.fixture(scope="module")
def schemas() -> RoleSchemas:
    return role_schemas(build_schema(CATALOG), CATALOG)


async def test_is_small_html_that_may_not_be_framed(http: httpx.AsyncClient) -> None:
    answer = await http.get("/graphql")
    assert len(answer.content) < 4096
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_everything_it_loads_is_served_with_its_type_for_good(http: httpx.AsyncClient, page: Page) -> None:
    served = {}
    for link in page.links:
        assert re.fullmatch(r"graphql/static/[0-9a-f]{16}/[a-z.-]+", link)
        answer = await http.get(f"/{link}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert hashlib.sha256(answer.content).hexdigest().startswith(link.split("/")[2])
        served[link.rsplit("/", 1)[1]] = answer.headers["content-type"]
    script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
    assert served == {
        "icon.svg": "image/svg+xml",
        "graphiql.min.css": style,
        "page.css": style,
        "react.production.min.js": script,
        "react-dom.production.min.js": script,
        "graphiql.min.js": script,
        "page.js": script,
    }
    assert len(page.links) == len(served)


async def test_runs_under_a_policy_without_inline_code_or_other_hosts(page: Page) -> None:
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    assert not page.text.get("script", "").strip()
    assert not any(name == "style" or name.startswith("on") for _, a in page.tags for name in a)
    assert "style" not in {tag for tag, _ in page.tags}


async def test_asks_for_the_token_in_english_and_chinese_and_never_sends_it_by_form(page: Page) -> None:
    field = next(a for tag, a in page.tags if tag == "input")
    assert ("label", {"for": "token"}) in page.tags
    assert (field["id"], field["type"], field["autocomplete"]) == ("token", "password", "off")
    assert "name" not in field
    html = graphiql.page().decode()
    assert '<label for="token">Access token <span lang="zh">访问令牌</span></label>' in html


@pytest.mark.parametrize(
    "role", ["sales", "sales_manager", "service", "finance", "marketing", "crm_manager", "erp", "commerce"]
)
async def test_default_query_is_valid_for_whoever_sees_customers(page: Page, schemas: RoleSchemas, role: str) -> None:
    access = effective_access(Policy(1, DEFAULT_ROLES), CATALOG, {role})
    assert validate(schemas(access), parse(page.text["default-query"])) == []


@pytest.mark.parametrize(
    "path",
    [
        "/graphql/static/",
        "/graphql/static/page.html",
        "/graphql/static/0000000000000000/page.js",
        "/graphql/static/{digest}/vendor/graphiql.min.js",
        "/graphql/static/{digest}/../page.html",
        "/graphql/static/{digest}/..%2fpage.html",
        "/graphql/static/{digest}/%2e%2e/%2e%2e/graphiql.py",
        "/graphql/static/{digest}/..%5cgraphiql.py",
        "/graphql/static/{digest}/page.js%00",
        "/graphql/static//etc/passwd",
    ],
)
async def test_serves_no_other_file(http: httpx.AsyncClient, page: Page, path: str) -> None:
    digest = next(link for link in page.links if link.endswith("/page.js")).split("/")[2]
    target = path.format(digest=digest)
    status = await raw_status(http.base_url.port, target)
    assert status == 404


async def raw_status(port: int | None, target: str) -> int:
    """The status for a request target sent as it is: an HTTP client would tidy the dots away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.read()).split(b" ", 2)[1])
    finally:
        writer.close()
        await writer.wait_closed()


async def test_static_files_are_only_read(http: httpx.AsyncClient, page: Page) -> None:
    answer = await http.post(f"/{page.links[0]}")
    assert answer.status_code == 405
    head = await http.head(f"/{page.links[0]}")
    assert (head.status_code, head.content) == (200, b"")


def test_vendored_files_are_the_reviewed_ones() -> None:
    expected = dict(line.split("  ")[::-1] for line in (VENDOR / "SHA256SUMS").read_text(encoding="ascii").splitlines())
    own = {"SHA256SUMS", ".gitattributes", "bundled-licences.txt"}
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in VENDOR.iterdir() if file.name not in own
    }
    assert found == expected
    assert {name for name in found if name.endswith("LICENSE.txt")} == {
        "graphiql.LICENSE.txt",
        "react.LICENSE.txt",
        "react-dom.LICENSE.txt",
    }
