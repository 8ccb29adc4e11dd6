"""Each verb runs inside the controller when the connection is local, and as a module otherwise: with equal results."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import OpenShop
from tests.shop.operators import ROOT, Run
from tests.shop.shop import Shop

Task = dict[str, Any]

CONNECTIONS = Path(__file__).parent / "connection"
TARGET = {"namespace": "{{ canary_namespace }}", "app": "web"}
ROUTED = {**TARGET, "backend": "{{ canary_backend }}"}
V2 = {**ROUTED, "version": "v2"}
IMAGE = {
    "image": "{{ canary_workload.image }}",
    "image_pull_policy": "{{ canary_workload.image_pull_policy }}",
    "port": 8080,
    "probes": {"readiness": {"path": "/readyz", "period": 1}},
    "termination_grace_period": 1,
}
SAMPLED = {
    "url": "{{ canary_client.url }}",
    "address": "{{ canary_client.address }}",
    "identify": {"header": "X-Version"},
    "rate": 300,
    "profile": "quick",
    "settle_timeout": 2,
    "stable": "v1",
    "canary": "v2",
}
PROOF = {key: value for key, value in SAMPLED.items() if key not in ("stable", "canary")}
APPROVAL = {"app": "web", "version": "v2", "stage": "50"}

# What each verb does in the life of a release, good and bad.
LIFE: list[Task] = [
    {"gradual.canary.lock": {**TARGET, "purpose": "a test"}},
    {"gradual.canary.lock_info": TARGET},
    {"gradual.canary.version_info": TARGET},
    {"gradual.canary.traffic_info": {**V2, "preflight": True}},
    {"gradual.canary.version": {**TARGET, "version": "v2", "replaces": "v1", "replicas": 1, **IMAGE}},
    {"gradual.canary.version": {**TARGET, "version": "v2", "replaces": "v1", "replicas": 1, **IMAGE}},
    {"gradual.canary.traffic_info": {**V2, "preflight": True}},
    {"gradual.canary.traffic": {**V2, "weight": 30}},
    {"gradual.canary.traffic": {**V2, "weight": 30}},
    {"gradual.canary.traffic": {**V2, "weight": "50", "expect": 10}},
    {"gradual.canary.traffic": {**V2, "state": "detached"}},
    {"gradual.canary.version": {**V2, "state": "absent"}},
    {"gradual.canary.verify": {**SAMPLED, "weight": 30}},
    {"gradual.canary.verify": {**SAMPLED, "weight": 90}},
    {"gradual.canary.traffic": {**V2, "weight": 60, "verify": PROOF}},
    {"gradual.canary.traffic": {**V2, "weight": 60, "verify": {**PROOF, "canary": "v4"}}},
    {"gradual.canary.traffic": {**V2, "weight": 0, "matches": []}},
    {"gradual.canary.traffic": {**V2, "state": "detached"}},
    {"gradual.canary.version": {**V2, "state": "scaled_down"}},
    {"gradual.canary.version_info": TARGET},
    {"gradual.canary.version": {**V2, "state": "absent"}},
    {"gradual.canary.traffic_info": ROUTED},
    {"gradual.canary.lock": {**TARGET, "state": "free"}},
    {"gradual.canary.lock": {**TARGET, "state": "free"}},
    {"gradual.canary.lock_info": TARGET},
]

# What can be asked of a fresh shop without one task resting on another's change.
LOOKS: list[Task] = [
    {"gradual.canary.version_info": TARGET},
    {"gradual.canary.traffic_info": {**V2, "preflight": True}},
    {"gradual.canary.version": {**TARGET, "version": "v4", "replicas": 1, **IMAGE}},
    {"gradual.canary.version": {**TARGET, "version": "v1", "replicas": 3}},
    {"gradual.canary.traffic": {**V2, "weight": 10, "preflight": False}},
    {"gradual.canary.verify": {**SAMPLED, "canary": "v1", "weight": 100}},
    {"gradual.canary.plan": {"version": "v2", "stages": [1, {"weight": 100, "bake": "5m"}]}},
    {"gradual.canary.approval": APPROVAL},
    {"gradual.canary.approval": {**APPROVAL, "approved": ["web/v2/50"]}},
    {"gradual.canary.lock_info": TARGET},
    {"gradual.canary.window": {"step": "a test", "needed": "1h"}},
]

BAD: list[Task] = [
    {"gradual.canary.traffic": {**V2, "wieght": 10}},
    {"gradual.canary.traffic": {"weight": 10}},
    {"gradual.canary.traffic": {**V2, "weight": 101}},
    {"gradual.canary.traffic": {**V2, "weight": "0.001"}},
    {"gradual.canary.traffic": {**V2, "state": "promoted", "weight": 10}},
    {"gradual.canary.traffic": {**V2, "state": "restored"}},
    {"gradual.canary.traffic": {**V2, "state": "somewhere"}},
    {"gradual.canary.traffic": {**V2, "timeout": "soon"}},
    {"gradual.canary.traffic": {**V2, "weight": 10, "verify": {"url": "{{ canary_client.url }}"}}},
    {"gradual.canary.traffic": {**V2, "weight": 10, "verify": {**PROOF, "rtae": 10}}},
    {"gradual.canary.traffic": {**V2, "state": "detached", "verify": PROOF}},
    {"gradual.canary.traffic": {**V2, "backend": {"type": "carrier_pigeon"}}},
    {"gradual.canary.traffic": {**V2, "backend": {"type": "gateway_api", "route": "gone"}, "weight": 10}},
    {"gradual.canary.traffic": {**V2, "weight": 10, "matches": [{"header": "A", "cookie": "B"}]}},
    {"gradual.canary.traffic_info": {**ROUTED, "preflight": True}},
    {"gradual.canary.version": {**TARGET, "version": "v9"}},
    {"gradual.canary.version": {**TARGET, "version": "v2", "state": "absent"}},
    {"gradual.canary.version": {**TARGET, "version": "v2", "port": 80}},
    {"gradual.canary.version_info": {"app": "web"}},
    {"gradual.canary.version_info": {**TARGET, "context": "nowhere"}},
    {"gradual.canary.version_info": {**TARGET, "host": "https://127.0.0.1:1", "api_key": "k", "api_timeout": 1}},
    {"gradual.canary.verify": {**SAMPLED, "weight": 10, "identify": {}}},
    {"gradual.canary.verify": {**SAMPLED, "weight": 10, "profile": "fast"}},
    {"gradual.canary.verify": {**SAMPLED, "weight": 10, "rate": "many"}},
    {"gradual.canary.plan": {"version": "v2", "stages": [50, 10]}},
    {"gradual.canary.plan": {"version": "v2"}},
    {"gradual.canary.approval": {"app": "web"}},
    {"gradual.canary.approval": APPROVAL},
    {"gradual.canary.lock": {**TARGET, "seconds": 5}},
    {"gradual.canary.lock": {**TARGET, "state": "open"}},
    {"gradual.canary.lock_info": {"app": "web"}},
    {"gradual.canary.window": {"windows": [{"rrule": "FREQ=DAILY;BYHOUR=25", "duration": "1h", "timezone": "UTC"}]}},
    {"gradual.canary.window": {"freezes": [{"from": "2000-01-01", "until": "2199-12-30", "timezone": "UTC"}]}},
    {"gradual.canary.rollout": {**ROUTED, "action": "promote"}},
    {"gradual.canary.verify_mirror": {**TARGET, "stable": "v1", "canary": "v2", "mirror": 10}},
]

# One of each kind, that changes nothing: for the other ways to a module, which Ansible itself makes slow.
SOME: list[Task] = [*(LOOKS[index] for index in (0, 1, 5, 6, 8)), *(BAD[index] for index in (0, 1, 2, 12, 19, 27))]


def book(tasks: list[Task], *, connection: str = "local", **keywords: Any) -> str:
    """Return a playbook of these tasks, none of which stops it."""
    common = {"ignore_errors": True, **keywords}
    play = {
        "name": "Verbs",
        "hosts": "all",
        "connection": connection,
        "gather_facts": False,
        "module_defaults": {"group/gradual.canary.cluster": "{{ canary_cluster }}"},
        "vars": {"canary_version": "v2", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [{"name": f"Task {number}", **task, **common} for number, task in enumerate(tasks, start=1)],
    }
    return yaml.safe_dump([play], sort_keys=False)


@dataclasses.dataclass(frozen=True)
class Way:
    """How a verb is reached. checks: whether Ansible allows check mode with it."""

    connection: str = "local"
    keywords: dict[str, Any] = dataclasses.field(default_factory=dict)
    checks: bool = True

    def run(self, shop: Shop, tasks: list[Task], *arguments: str, **variables: Any) -> Run:
        path = shop.operator.home / "verbs.yml"
        path.write_text(book(tasks, connection=self.connection, **self.keywords))
        return shop.operator.run(str(path), *arguments, **variables)


IN_PROCESS = Way()
ELSEWHERE = Way("elsewhere")
AS_MODULE = {
    "over another connection": ELSEWHERE,
    "with become": Way(keywords={"become": True, "become_method": "ansible.builtin.su"}),
    "with async": Way(keywords={"async": 120, "poll": 1}, checks=False),
}
# What Ansible itself adds to one way only, and what differs from run to run.
OF_ANSIBLE = (
    *("_ansible_no_log", "_ansible_parsed", "_ansible_delegated_vars", "ansible_facts", "ansible_job_id", "finished"),
    *("started", "results_file", "stdout", "stdout_lines", "stderr", "stderr_lines", "invocation", "exception"),
    *("module_stdout", "module_stderr", "deprecations"),
)
# Times, who holds a lock, and which state of an object a write rests on.
OF_CHANCE = (
    (r"\d+(\.\d+)? s\b", "N s"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"[\w.-]+@[\w.-]+ [0-9a-f]{8}\b", "HOLDER"),
    (r'"/metadata/resourceVersion", "value": "\d+"', '"/metadata/resourceVersion", "value": "N"'),
)
OF_THE_MOMENT = (
    *("seconds", "requests", "created", "evidence", "dependence", "gates", "versions", "duration_s", "decided_at"),
    *("populations", "waited", "decided_at", "resourceVersion", "uid", "generation", "creationTimestamp"),
)


def results(run: Run, shop: Shop) -> list[dict[str, Any]]:
    """Return each task's result as both ways should give it, in any namespace and at any time."""
    found = []
    for result in run.results:
        text = json.dumps({**_lasting(result["result"]), "failed": result["failed"]}, sort_keys=True).replace(
            shop.namespace, "NAMESPACE"
        )
        for pattern, word in OF_CHANCE:
            text = re.sub(pattern, word, text)
        found.append(json.loads(text))
    return found


def _lasting(value: Any) -> Any:
    if isinstance(value, list):
        return [_lasting(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _lasting(item) for key, item in value.items() if key not in OF_ANSIBLE}
    if "verdict" in kept:  # the sentence tells counts, which chance decides
        kept["msg"] = kept.get("verdict")
    if "proof" in kept:
        kept["msg"] = kept["proof"]["verdict"]
    if "before_header" in kept:  # the texts hold times and counters of the objects; the header is the change in words
        kept = {"header": kept["before_header"]}
    return {
        key: sorted(item)
        if key in OF_THE_MOMENT and isinstance(item, dict)
        else "any"
        if key in OF_THE_MOMENT
        else item
        for key, item in kept.items()
    }


@pytest.fixture(scope="module")
def fresh(open_shop_for_module: OpenShop) -> Shop:
    """A shop that no test of this file changes."""
    shop = open_shop_for_module("gateway_api")
    reach(shop)
    return shop


def reach(shop: Shop) -> None:
    shop.operator.environment["ANSIBLE_CONNECTION_PLUGINS"] = str(CONNECTIONS)


def as_modules(run: Run) -> bool:
    """Say whether a run at -vvv carried modules somewhere, in the wrapper that Ansible gives them."""
    return "AnsiballZ_" in run.output


def compare(one: list[dict[str, Any]], other: list[dict[str, Any]], tasks: list[Task]) -> None:
    assert len(one) == len(other) == len(tasks)
    for number, (task, left, right) in enumerate(zip(tasks, one, other, strict=True), start=1):
        assert right == left, f"task {number}: {task}"


def test_every_verb_is_tried() -> None:
    tried = {name.removeprefix("gradual.canary.") for task in (*LIFE, *LOOKS, *BAD) for name in task}
    assert tried == {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}


def test_a_whole_life_gives_the_same_results_both_ways(open_shop: OpenShop) -> None:
    here, there = open_shop("gateway_api"), open_shop("gateway_api")
    for shop in (here, there):
        reach(shop)
    inside, outside = IN_PROCESS.run(here, LIFE, "--diff", "-vvv"), ELSEWHERE.run(there, LIFE, "--diff", "-vvv")
    assert inside.code == outside.code == 0, outside.output
    assert as_modules(outside)
    assert not as_modules(inside)
    compare(results(inside, here), results(outside, there), LIFE)
    failed = [number for number, result in enumerate(inside.results, start=1) if result["failed"]]
    assert failed == [10, 11, 12, 14, 16], "what LIFE is made of"
    assert [write["verb"] for write in inside.writes] == [write["verb"] for write in outside.writes]


@pytest.mark.parametrize("way", [name for name, way in AS_MODULE.items() if way.checks])
def test_check_mode_gives_the_same_results_both_ways(fresh: Shop, way: str) -> None:
    before = fresh.settled_objects()
    arguments = ("--check", "--diff")
    inside, outside = IN_PROCESS.run(fresh, LOOKS, *arguments), AS_MODULE[way].run(fresh, LOOKS, *arguments)
    compare(results(inside, fresh), results(outside, fresh), LOOKS)
    assert len(inside.writes) == len(outside.writes) >= 3
    assert fresh.objects() == before


@pytest.mark.parametrize("way", [name for name in AS_MODULE if name != "over another connection"])
def test_become_and_async_run_modules_with_the_same_results(fresh: Shop, way: str) -> None:
    inside, outside = IN_PROCESS.run(fresh, SOME, "-vvv"), AS_MODULE[way].run(fresh, SOME, "-vvv")
    assert as_modules(outside)
    assert not as_modules(inside)
    compare(results(inside, fresh), results(outside, fresh), SOME)
    failed = [result["failed"] for result in inside.results]
    assert True in failed
    assert False in failed


def test_bad_arguments_and_failures_are_told_in_the_same_words_both_ways(fresh: Shop) -> None:
    inside, outside = IN_PROCESS.run(fresh, BAD), ELSEWHERE.run(fresh, BAD)
    compare(results(inside, fresh), results(outside, fresh), BAD)
    assert all(result["failed"] for result in inside.results)
    assert "Traceback" not in inside.output + outside.output


@pytest.mark.parametrize("way", ["inside the controller", *AS_MODULE])
def test_secrets_in_options_are_never_shown(fresh: Shop, way: str) -> None:
    secrets = {name: f"s3cret-{name}-{'x' * 12}" for name in ("token", "password", "inline", "proxy")}
    # Not as extra variables: Ansible itself shows those at -vvvv.
    fresh.operator.environment.update({f"CANARY_TEST_{name}": secret for name, secret in secrets.items()})
    token, password, inline, proxy = (f"{{{{ lookup('env', 'CANARY_TEST_{name}') }}}}" for name in secrets)
    server = "https://127.0.0.1:1"
    kubeconfig = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": {"server": server}}],
        "users": [{"name": "one", "user": {"token": inline}}],
    }
    common = {**TARGET, "api_timeout": 1}
    tasks: list[Task] = [
        {"gradual.canary.version_info": {**common, "host": server, "api_key": token}},
        {"gradual.canary.version_info": {**common, "host": server, "username": "me", "password": password}},
        {"gradual.canary.version_info": {**common, "kubeconfig": kubeconfig}},
        {
            "gradual.canary.version_info": {
                **common,
                "host": server,
                "api_key": token,
                "proxy": "http://127.0.0.1:2",
                "proxy_headers": {"proxy_basic_auth": f"me:{proxy}"},
            }
        },
        {"gradual.canary.version_info": {**common, "host": server, "api_key": token, "api_timeout": "late"}},
        {"gradual.canary.version_info": {**common, "host": server, "api_key": token, "unknown": token}},
    ]
    run = {"inside the controller": IN_PROCESS, **AS_MODULE}[way].run(fresh, tasks, "-vvvv")
    assert len(run.results) == len(tasks), run.output
    assert all(result["failed"] for result in run.results)
    told = run.output + json.dumps(run.results)
    shown = [line for line in told.splitlines() if any(secret in line for secret in secrets.values())]
    assert not shown, shown[:3]


def test_no_log_hides_the_whole_result_both_ways(fresh: Shop) -> None:
    tasks: list[Task] = [{"gradual.canary.version_info": TARGET, "no_log": True}]
    for way in (IN_PROCESS, ELSEWHERE):
        run = way.run(fresh, tasks, "-vvvv")
        assert run.code == 0, run.output
        assert "web has 1 version" not in run.output
