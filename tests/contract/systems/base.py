"""What the contract suite needs from a traffic system to try its backend out: one class per backend, in a file here.

A system's namespace with the versions v1 and v2 of the application `web` stays for all tests of the backend; each test
has a route of its own in it, so that no test depends on another.
"""

from __future__ import annotations

import abc
import collections
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Snapshot, Target
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sample, Sampler
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match
from tests.contract.cluster_access import Access, Object, Operator
from tests.contract.workloads import APP


class Routed(NamedTuple):
    """A match route to try: the match, and request headers that fit it and that just do not."""

    match: Match
    fits: Mapping[str, str]
    misses: Mapping[str, str]


class TrafficSystem(abc.ABC):
    """One traffic system with all traffic of one route going to v1, and the people around it."""

    backend: ClassVar[type[Backend]]
    routed: ClassVar[tuple[Routed, ...]]
    """Match routes to try; none where the capabilities have none."""

    writer: ClassVar[str | None] = "kubectl-edit"
    """Who a conflict says has edited the weight; None where the API keeps nothing of it."""

    write_rules: ClassVar[tuple[Object, ...]]
    """RBAC rules that let somebody read, but not write, everything that the backend needs."""

    def __init__(self, access: Access, namespace: str) -> None:
        self.access = access
        self.operator: Operator = access.operator()
        self.namespace = namespace
        self.name = f"web-{secrets.token_hex(3)}"
        self.hostname = f"{self.name}.example.com"

    @classmethod
    @abc.abstractmethod
    def missing(cls, operator: Operator) -> str | None:
        """Say what a cluster lacks to run this traffic system; None when it has it."""

    @classmethod  # noqa: B027 - most need nothing
    def prepare(cls, operator: Operator, namespace: str) -> None:
        """Make what all tests share besides the namespace and its versions."""

    @classmethod  # noqa: B027
    def dispose(cls, operator: Operator, namespace: str) -> None:
        """Take away what `prepare` made outside the namespace."""

    @property
    @abc.abstractmethod
    def address(self) -> str:
        """Where clients connect: ``host:port``."""

    @property
    @abc.abstractmethod
    def options(self) -> dict[str, Any]:
        """The backend's options for this test's route."""

    @abc.abstractmethod
    def create(self) -> None:
        """Make the route: all traffic of `hostname` to v1, no canary."""

    @abc.abstractmethod
    def remove(self) -> None:
        """Take away the route and everything the test made for it."""

    @abc.abstractmethod
    def objects(self) -> list[Object]:
        """Return the objects that the backend may write, without what the server alone changes."""

    @abc.abstractmethod
    def edit_weight(self, percent: int) -> None:
        """Give the attached canary this weight, as a person would by hand."""

    @abc.abstractmethod
    def edit_something_else(self) -> Callable[[], bool]:
        """Change a part of the object with the weight that does not concern the split; say how to see it is there."""

    @abc.abstractmethod
    def make_ambiguous(self) -> str:
        """Make it unclear what is meant; return the option, or the field, that would make it clear."""

    # the same everywhere

    @property
    def some_matches(self) -> list[Match]:
        """Match routes to have beside a weight: one, where this system can."""
        can = self.routed and self.use().capabilities.match_with_weight
        return [self.routed[0].match] if can else []

    def use(self, version: str | None = "v2", cluster: Cluster | None = None) -> Backend:
        """Return the backend in a session of its own, with this version as the canary."""
        target = Target(self.namespace, APP, version)
        return self.backend(cluster or self.access.connect(), target, self.options)

    def in_check_mode(self, version: str = "v2") -> Backend:
        return self.use(version, self.access.connect(check_mode=True))

    def parsed(self, saved: Mapping[str, Any]) -> Snapshot:
        return Snapshot.parse(saved, self.backend.name)

    def sampler(self, headers: Mapping[str, str] | None = None, limit: int | None = None) -> Sampler:
        request = Request(f"http://{self.address}/", host=self.hostname, headers=headers)
        return Sampler(request, rate=400.0, limit=limit, timeout=10.0)

    def ask(self, count: int, headers: Mapping[str, str] | None = None) -> collections.Counter[str]:
        """Send requests; count the answers by version, or by status or error where there is none."""
        return collections.Counter(outcome(sample) for sample in self.sampler(headers, limit=count))

    def ask_until(
        self,
        done: Callable[[collections.Counter[str]], bool],
        headers: Mapping[str, str] | None = None,
        *,
        count: int = 20,
        seconds: float = 20.0,
    ) -> collections.Counter[str]:
        """Send `count` requests again and again until their answers are as they should be; fail after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            answers = self.ask(count, headers)
            if done(answers):
                return answers
            assert time.monotonic() < deadline, f"{self.hostname} still answers {dict(answers)} after {seconds:g} s"

    def wait_until_served(self) -> None:
        """Wait until clients get v1 from the new route and nothing else."""
        self.ask_until(lambda answers: set(answers) == {"v1"})


def outcome(sample: Sample) -> str:
    """Return the version that answered, else the status or the error."""
    if sample.error or sample.status is None:
        return sample.error or "no status"
    return sample.headers.get("x-version", "no version") if sample.status == 200 else str(sample.status)
