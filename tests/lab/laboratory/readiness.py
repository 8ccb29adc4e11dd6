"""Whether a component does its work."""

from __future__ import annotations

import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping

from .api import Api
from .catalogue import Check
from .places import Placeholders

# Some components sign their own health port's certificate; the address is inside the namespace anyway.
UNVERIFIED = ssl._create_unverified_context()
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=UNVERIFIED))


def unmet(check: Check, placeholders: Placeholders, api: Api, environment: Mapping[str, str]) -> str:
    """What the check still misses, in words; empty when it holds."""
    if check.url:
        return _url(placeholders.fill(check.url))
    if check.command:
        return _command([placeholders.fill(word) for word in check.command], environment)
    try:
        met, words = api.condition(check.object, check.condition)
    except OSError as error:
        return f"{check.object}: {error}"
    return "" if met else words


def _url(url: str) -> str:
    try:
        with DIRECT.open(url, timeout=5) as answer:
            return "" if answer.status == 200 else f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, ValueError) as error:
        return f"{url}: {error}"


def _command(command: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    return "" if done.returncode == 0 else f"{' '.join(command)}: {done.stderr.strip() or done.returncode}"
