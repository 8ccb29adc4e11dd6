"""Real load through whole releases: no request is lost, and a bad version is taken back before users notice.

    tests/lab/lab exec -- .venv/bin/pytest tests/load                   # everything
    tests/lab/lab exec -- .venv/bin/pytest tests/load -m "not variant"  # the shorter form, on a quiet cluster

One test at a time: each needs the machine's whole attention. What was counted is printed at the end, in a table.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.cluster_access import Access
from tests.load.report import Report
from tests.shop.operators import install

REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = Report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[REPORT].lines()
    if lines:
        terminalreporter.section("requests under load")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """What was counted, printed when all is done."""
    return request.config.stash[REPORT]


@pytest.fixture(scope="session")
def access() -> Access:
    """The cluster; without it every test fails and says how to start it."""
    found = Access()
    found.require()
    return found


@pytest.fixture(scope="session")
def installed(access: Access, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory with the collection installed from its archive."""
    home = tmp_path_factory.mktemp("operator")
    install(home)
    return home


@pytest.fixture
def home(installed: Path, tmp_path: Path) -> Path:
    """An operator's directory of their own for one test, with the installed collection in it."""
    (tmp_path / "collections").symlink_to(installed / "collections")
    return tmp_path
