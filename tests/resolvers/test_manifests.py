"""Manifests as the builds of clients write them; one that cannot be used is told by file and entry."""

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from crm_graph.resolvers.manifests import BadManifest, read_manifest

QUERY = "query Names { customers { nodes { name } } }"
OTHER = "query Type { __typename }"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def apollo(*operations: Any, **changes: Any) -> dict[str, Any]:
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": list(operations), **changes}


def operation(text: str, id_: str, name: str) -> dict[str, str]:
    return {"id": id_, "name": name, "type": "query", "body": text}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "documents.json"


def test_apollos_manifest(manifest: Path) -> None:
    manifest.write_bytes(
        orjson.dumps(apollo(operation(QUERY, sha(QUERY), "Names"), operation(OTHER, "type-2", "Type")))
    )

    assert read_manifest(manifest, 1000) == {sha(QUERY): QUERY, f"sha256:{sha(QUERY)}": QUERY, "type-2": OTHER}


@pytest.mark.parametrize(
    ("entries", "known"),
    [
        pytest.param({md5(QUERY): QUERY}, {md5(QUERY)}, id="Relay with MD5"),
        pytest.param({sha(QUERY): QUERY}, {sha(QUERY), f"sha256:{sha(QUERY)}"}, id="Relay and codegen with SHA-256"),
        pytest.param({f"sha256:{sha(QUERY)}": QUERY}, {f"sha256:{sha(QUERY)}"}, id="with its prefix"),
        pytest.param({"x-build:7~names": QUERY}, {"x-build:7~names"}, id="a prefix of one's own"),
        pytest.param({}, set(), id="empty"),
    ],
)
def test_an_object_from_id_to_text(manifest: Path, entries: dict[str, str], known: set[str]) -> None:
    manifest.write_bytes(orjson.dumps(entries))

    assert read_manifest(manifest, 1000) == dict.fromkeys(known, QUERY)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not JSON in UTF-8: unexpected end of data: line 1 column 2 (char 1)"),
        (b"\xff", "is not JSON in UTF-8: str is not valid UTF-8: surrogates not allowed: line 1 column 1 (char 0)"),
        (b"[]", ": a manifest is a JSON object"),
        (apollo(version=2), ": a manifest with operations has the format apollo-persisted-query-manifest, version 1"),
        (
            {"operations": []},
            ": a manifest with operations has the format apollo-persisted-query-manifest, version 1",
        ),
        (apollo(operation(QUERY, "a", "A"), "no"), ": operations[1]: id and document are strings"),
        (apollo({"id": "a"}), ": operations[0]: id and document are strings"),
        (apollo(operation(QUERY, sha(OTHER), "A")), ": operations[0] A: the id is not the SHA-256 of the document"),
        (
            apollo(operation(QUERY, "a", "A"), operation(OTHER, "a", "B")),
            ": operations[1] B: another entry has this id",
        ),
        ({sha(OTHER): QUERY}, f": entry '{sha(OTHER)}': the id is not the SHA-256 of the document"),
        ({f"sha256:{sha(OTHER)}": QUERY}, f": entry 'sha256:{sha(OTHER)}': the id is not the SHA-256 of the document"),
        ({"a": 1}, ": entry 'a': id and document are strings"),
        (
            {"sha256:ABC": QUERY},
            (
                ": entry 'sha256:ABC': an id is sha256: and 64 hexadecimal digits,"
                " or letters, digits and -._~ with a prefix x-…: or none"
            ),
        ),
        ({"a": "{ nodes"}, ": entry 'a': Syntax Error: Expected Name, found <EOF>."),
        (
            {"a": "{" + " a" * 2000 + "}"},
            ": entry 'a': Syntax Error: Document contains more than 1000 tokens. Parsing aborted.",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_names_the_entry(manifest: Path, content: Any, told: str) -> None:
    manifest.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))

    with pytest.raises(BadManifest) as caught:
        read_manifest(manifest, 1000)

    assert str(caught.value).removeprefix(str(manifest)).removeprefix(" ") == told.removeprefix(" ")


def test_a_manifest_that_is_not_there_is_named(manifest: Path) -> None:
    with pytest.raises(BadManifest, match=r"documents\.json: No such file or directory"):
        read_manifest(manifest, 1000)
