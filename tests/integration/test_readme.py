"""The README's session, run as it stands there against a real server and worker."""

import asyncio
import re
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Final

import msgspec

from tests.integration.worker_processes import site

README: Final = Path(__file__).parents[2] / "README.md"
_LINK: Final = re.compile(r"\]\(([^)#:]+)\)")


def _session() -> Iterator[tuple[str, str]]:
    """Give each command of the session with what the README says it prints."""
    block = README.read_text(encoding="utf-8").split("```console\n")[1].split("```")[0]
    for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = entry.partition("\n")
        yield command, printed.strip()


def _curl(command: str, known: dict[str, str]) -> str:
    """Do what `curl` would do with the few options the README uses."""
    words = shlex.split(Template(command).safe_substitute(known))[1:]
    method, url, headers, data = "GET", "", {}, None
    while words:
        match words.pop(0):
            case "-s":
                pass
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-d":
                data = words.pop(0).encode()
                method = "POST"
            case word:
                url = word
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - our server
    with urllib.request.urlopen(request, timeout=45) as answer:  # noqa: S310 - the same
        body: bytes = answer.read()
    return body.decode()


async def test_the_session_prints_what_the_readme_says(tmp_path: Path) -> None:
    """Every command of the README's session works and prints what stands below it."""
    async with site(tmp_path) as here:
        await here.worker("readme")
        known = {"URL": here.url, "KEY": here.key}
        seen = 0
        for command, printed in _session():
            if command.startswith(("URL=", "KEY=")):
                continue
            if command.startswith("ID=$("):
                inner = command[5:].partition(" | ")[0]
                answer = await asyncio.to_thread(_curl, inner, known)
                known["ID"] = msgspec.json.decode(answer)["uuid"]
                continue
            answer = await asyncio.to_thread(_curl, command, known)
            pattern = ".*?".join(re.escape(part) for part in printed.split("…"))
            assert re.fullmatch(pattern, answer.strip(), re.DOTALL), f"{command}\n{answer}"
            seen += 1
        assert seen == 4


def test_links_lead_somewhere() -> None:
    """Every file that the README links to is there."""
    text = README.read_text(encoding="utf-8")
    missing = [link for link in _LINK.findall(text) if not (README.parent / link).exists()]
    assert missing == []
