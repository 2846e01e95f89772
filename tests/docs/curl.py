"""As much of curl as the README uses, so that its examples run on a machine without one."""

import argparse
import base64
import sys
from pathlib import Path

import httpx


def main(arguments: list[str]) -> None:
    """Send one request and print the body of its answer."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-u")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", action="append", default=[])
    parser.add_argument("--data-binary")
    given = parser.parse_args(arguments)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers |= {name: value.strip() for name, _, value in (header.partition(":") for header in given.H)}
    if given.u:
        headers["Authorization"] = "Basic " + base64.b64encode(given.u.encode()).decode()
    body = Path(given.data_binary.removeprefix("@")).read_bytes() if given.data_binary else "&".join(given.d)
    answer = httpx.request("POST" if body else "GET", given.url, headers=headers, content=body)
    sys.stdout.write(answer.text)


if __name__ == "__main__":
    main(sys.argv[1:])
