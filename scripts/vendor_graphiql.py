#!/usr/bin/env python3
"""Fetch GraphiQL and React by npm into the package, and refuse what differs from the sums in vendor/SHA256SUMS.

Needs npm. To move to a new version, change it here, put the new sums into SHA256SUMS, and run this again.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "src/crm_graph/web/static/graphiql/vendor"
PACKAGES = ("graphiql@3.8.3", "react@18.2.0", "react-dom@18.2.0")
COMPILED_IN = (
    "@babel/runtime@7", "@fontsource/fira-code@5.0.18", "@fontsource/roboto@5.0.8", "entities@4", "graphql-ws@5",
    "isarray@2",
)  # fmt: skip
"""What graphiql's files contain although it does not depend on it: its fonts and build-time packages."""

FILES = {
    "graphiql.min.css": "graphiql/graphiql.min.css",
    "graphiql.min.js": "graphiql/graphiql.min.js",
    "graphiql.LICENSE.txt": "graphiql/LICENSE",
    "react.production.min.js": "react/umd/react.production.min.js",
    "react.LICENSE.txt": "react/LICENSE",
    "react-dom.production.min.js": "react-dom/umd/react-dom.production.min.js",
    "react-dom.LICENSE.txt": "react-dom/LICENSE",
}
LICENCES = "bundled-licences.txt"
_LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice)\b", re.IGNORECASE)


class DifferentContent(RuntimeError):
    """A fetched file is not the one that was reviewed."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder))
        modules = Path(folder, "node_modules")
        check(modules, sums())
        for name, source in FILES.items():
            shutil.copyfile(modules / source, VENDOR / name)
        (VENDOR / LICENCES).write_text(licences(modules), encoding="utf-8")


def install(folder: Path) -> None:
    """Install the packages without running any of their scripts."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to fetch GraphiQL")
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
    command = [npm, "install", *options, "--prefix", os.fspath(folder), *PACKAGES, *COMPILED_IN]
    subprocess.run(command, check=True, timeout=300)  # noqa: S603 - fixed arguments


def sums() -> dict[str, str]:
    """SHA-256 by file name, in the format of sha256sum."""
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def check(modules: Path, expected: dict[str, str]) -> None:
    """Raises DifferentContent unless every file is there with its sum."""
    for name, source in FILES.items():
        found = hashlib.sha256((modules / source).read_bytes()).hexdigest()
        if found != expected.get(name):
            raise DifferentContent(f"{name}: {found}, not {expected.get(name)}")


def licences(modules: Path) -> str:
    """The licence texts of all that graphiql is built from, each once, under the packages that it stands for."""
    packages: defaultdict[str, set[str]] = defaultdict(set)
    for folder, about in installed(modules):
        texts = [f.read_text(encoding="utf-8") for f in sorted(folder.iterdir()) if _LICENCE_FILE.match(f.name)]
        text = "\n\n".join(t.strip().replace("\r\n", "\n") for t in texts)
        packages[text or f"Declared licence: {about.get('license')}; no text is published with it."].add(about["name"])
    parts = [f"{', '.join(sorted(names))}\n\n{text}\n" for text, names in packages.items()]
    return f"\n{'-' * 80}\n\n".join(sorted(parts))


def installed(modules: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Folder and package.json of every installed package, nested ones included."""
    for file in modules.rglob("package.json"):
        parent = file.parent.parent
        if parent.name == "node_modules" or (parent.name.startswith("@") and parent.parent.name == "node_modules"):
            yield file.parent, json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
