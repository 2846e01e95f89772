"""Manifests: the files that builds of clients write with their documents, and what they name them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, parse

from crm_graph.services.trusted_documents import id_of

SHA256_ID = re.compile(r"sha256:[0-9a-f]{64}")
_BARE_SHA256 = re.compile(r"[0-9a-f]{64}")
_CUSTOM_ID = re.compile(r"(x-[\w.~-]+:)?[\w.~-]+", re.ASCII)
_APOLLO = "apollo-persisted-query-manifest"


class BadManifest(ValueError):
    """A manifest that cannot be used; the text names the file and the entry."""


def read_manifest(path: Path, max_tokens: int) -> Mapping[str, str]:
    """The texts of a manifest by id: Apollo's persisted query manifest, or one object from id to text, as Relay and
    graphql-codegen write it. An id that is a SHA-256 must be that of its text, and is known with and without `sha256:`.
    Raises BadManifest.
    """
    try:
        data = orjson.loads(path.read_bytes())
    except OSError as error:
        raise BadManifest(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise BadManifest(f"{path} is not JSON in UTF-8: {error}") from None
    texts: dict[str, str] = {}
    for name, id_, text in _entries(path, data):
        problem = _problem(id_, text, max_tokens)
        if problem is None and texts.get(id_, text) != text:
            problem = "another entry has this id"
        if problem is not None:
            raise BadManifest(f"{path}: {name}: {problem}")
        texts[id_] = text
        if _BARE_SHA256.fullmatch(id_):
            texts[f"sha256:{id_}"] = text
    return texts


def _entries(path: Path, data: Any) -> Iterable[tuple[str, Any, Any]]:
    """Each entry: how to call it in an error, its id and its text."""
    if not isinstance(data, dict):
        raise BadManifest(f"{path}: a manifest is a JSON object")
    operations = data.get("operations")
    if data.get("format") != _APOLLO and not isinstance(operations, list):
        return ((f"entry {id_!r}", id_, text) for id_, text in data.items())
    if data.get("format") != _APOLLO or data.get("version") != 1 or not isinstance(operations, list):
        raise BadManifest(f"{path}: a manifest with operations has the format {_APOLLO}, version 1")
    entries = [entry if isinstance(entry, dict) else {} for entry in operations]
    return (
        (f"operations[{n}] {e.get('name') or ''}".rstrip(), e.get("id"), e.get("body")) for n, e in enumerate(entries)
    )


def _problem(id_: Any, text: Any, max_tokens: int) -> str | None:
    """What is wrong with an entry; None for nothing."""
    if not isinstance(id_, str) or not isinstance(text, str):
        return "id and document are strings"
    hashed = SHA256_ID.fullmatch(id_) or _BARE_SHA256.fullmatch(id_)
    if not hashed and not _CUSTOM_ID.fullmatch(id_):
        return "an id is sha256: and 64 hexadecimal digits, or letters, digits and -._~ with a prefix x-…: or none"
    if hashed and id_of(text).removeprefix("sha256:") != id_.removeprefix("sha256:"):
        return "the id is not the SHA-256 of the document"
    try:
        parse(text, max_lexical_tokens=max_tokens)
    except GraphQLError as error:
        return error.message
    except RecursionError:
        return "the document is nested too deeply"
    return None
