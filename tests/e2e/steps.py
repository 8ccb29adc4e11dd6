"""What the tests do with a shop, and what they hold of it, in one line each."""

from __future__ import annotations

import json
from typing import Any

from tests.shop.operators import Run
from tests.shop.shop import Shop

QUESTION = {"prompt": "Go on?"}
ASKING = [{"weight": 50, "verify": "quick", "approve": QUESTION}, {"weight": 100, "verify": "quick"}]
HELD_AT_ALL = [{"weight": 100, "verify": "quick", "approve": QUESTION}]
# Of these a release changes where the stable traffic goes.
ROUTES = {"HTTPRoute/web", "Service/web", "VirtualService/web"}
# What the API server and the controllers write by themselves, on objects that the collection never touched.
SERVERS_OWN = ("resourceVersion", "managedFields", "generation")
# What says of a workload which template it has.
OF_A_TEMPLATE = ("deployment.kubernetes.io/revision", "rollout.argoproj.io/revision", "gradual.canary/replaces")


def release(shop: Shop, version: str, *arguments: str, **variables: Any) -> Run:
    return shop.run("release", *arguments, canary_version=version, **variables)


def held(shop: Shop, version: str = "v2", stages: list[dict[str, Any]] | None = None) -> Run:
    """Start a release and leave it where its question found nobody."""
    run = release(shop, version, canary_stages=stages or ASKING)
    assert run.code != 0, run.output
    assert f"web {version} holds. " in run.output, run.output
    return run


def said(run: Run) -> str:
    """Return the last message of a run, as one line."""
    run.require()
    message = [result["result"]["msg"] for result in run.results if result["action"] == "ansible.builtin.debug"][-1]
    return " | ".join(message) if isinstance(message, list) else str(message)


def traffic(shop: Shop) -> dict[str, Any]:
    """Return the split and the stable version, as the status playbook reads them."""
    run = shop.run("status").require()
    split: dict[str, Any] = run.values("split")[0]
    return split


def words(shop: Shop) -> str:
    return str(traffic(shop)["words"])


def pods_wanted(shop: Shop) -> dict[str, int]:
    """Return how many pods each version is to have; in place, each that the workload remembers."""
    if shop.system.in_place:
        wanted: dict[str, int] = {}
        for item in shop.access.operator().list("ReplicaSet", shop.namespace):
            version = item["metadata"]["labels"]["app.kubernetes.io/version"]
            wanted[version] = wanted.get(version, 0) + item["spec"]["replicas"]
        return wanted
    objects = shop.objects()
    return {
        name.removeprefix("Deployment/web-"): item["spec"]["replicas"]
        for name, item in objects.items()
        if name.startswith("Deployment/")
    }


def serving(shop: Shop) -> dict[str, int]:
    """Return how many pods each version is to have that is to have any."""
    return {version: count for version, count in pods_wanted(shop).items() if count}


def own(shop: Shop, *versions: str) -> set[str]:
    """Return the objects that versions have of their own; in place they have none."""
    if shop.system.in_place:
        return set()
    return {f"{kind}/web-{version}" for kind in ("Deployment", "Service") for version in versions}


def released(shop: Shop) -> set[str]:
    """Return the objects that a release changes, and that are not a version's own."""
    return ROUTES | ({"Deployment/web", "Rollout/web", "Service/web-preview"} if shop.system.in_place else set())


def nothing_changes(run: Run) -> None:
    run.require()
    assert run.changed == []
    assert run.writes == []


def all_on(shop: Shop, version: str) -> None:
    """Hold when nothing but `version` is in the traffic system, and clients see nothing else."""
    run = shop.run("verify").require()
    split, proof = run.values("split")[0], run.values("versions")[-1]
    assert split["stable"]["version"] == version, split
    assert split["canary"] is None, split
    assert proof[version]["share"] == 1.0, proof


def stored(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object byte for byte, without the status that controllers write."""
    return {key: value for key, value in item.items() if key != "status"}


def users_part(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what a release is there to change: where the stable traffic goes."""
    copy: dict[str, Any] = json.loads(json.dumps(stored(item)))
    for key in SERVERS_OWN:
        copy["metadata"].pop(key, None)
    if copy["kind"] == "Service":
        copy["spec"].pop("selector")
    if copy["kind"] == "Rollout":
        copy["spec"].pop("replicas")
        assert not copy["spec"].pop("paused", False), "a Rollout is left held"
    if copy["kind"] in ("Deployment", "Rollout"):
        copy["spec"].pop("template")
        noted = copy["metadata"].pop("annotations", {})
        copy["metadata"]["annotations"] = {key: noted[key] for key in set(noted).difference(OF_A_TEMPLATE)}
    if copy["kind"] == "HTTPRoute":
        copy["spec"]["rules"][0].pop("backendRefs")
    if copy["kind"] == "VirtualService":
        copy["spec"]["http"][0].pop("route")
    return copy


def writes(run: Run) -> list[str]:
    """Return each write as one line of text: verb, path and body."""
    return [f"{write['verb']} {write['path']} {json.dumps(write['body'], sort_keys=True)}" for write in run.writes]


def foretold(shop: Shop, playbook: str, **variables: Any) -> Run:
    """Run a playbook as a rehearsal, then really: the first said each write and difference, and made none."""
    before = shop.settled_objects()
    predicted = shop.run(playbook, "--check", "--diff", **variables).require()
    assert shop.objects() == before, "check mode changed something"

    real = shop.run(playbook, "--diff", **variables).require()
    assert writes(predicted) == writes(real)
    assert predicted.changed == real.changed
    assert _headers(predicted) == _headers(real)
    assert real.writes, "this case writes nothing, so it shows nothing"
    assert _headers(real)
    return real


def _headers(run: Run) -> list[Any]:
    """Return what each difference is headed with: the object, and the change in words."""
    return [
        difference.get("before_header") or difference.get("after_header")
        for differences in run.values("diff")
        for difference in differences
    ]
