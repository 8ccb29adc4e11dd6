"""Reading the API server's audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.shop.audit import AuditLog, answered, is_of_a_tool


def line(verb: str = "patch", agent: str = "curl/8", **changes: Any) -> str:
    event = {
        "stage": "ResponseComplete",
        "verb": verb,
        "userAgent": agent,
        "requestURI": "/x?fieldManager=gradual.canary",
        "objectRef": {"namespace": "shop", "resource": "services", "name": "web"},
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-11-21T12:00:00.250000Z",
        **changes,
    }
    return json.dumps(event) + "\n"


def test_only_new_writes_that_were_carried_out_in_the_namespace_are_news(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("create"))
    audit = AuditLog("shop", log)
    whole = line("delete")
    with log.open("a") as lines:
        lines.write(line("patch"))
        lines.write(line(objectRef={"namespace": "shop-two", "resource": "services"}))
        lines.write(line(responseStatus={"code": 422}) + line(stage="ResponseStarted"))
        lines.write(line(requestURI="/x?fieldManager=gradual.canary&dryRun=All"))
        lines.write(whole[:20])  # still being written
    assert [entry["verb"] for entry in audit.news()] == ["patch"]
    with log.open("a") as lines:
        lines.write(whole[20:])
    assert [entry["verb"] for entry in audit.news()] == ["delete"]
    assert audit.news() == []


def test_what_the_cluster_and_gateways_write_is_not_a_tools(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.touch()
    audit = AuditLog("shop", log)
    agents = ["rollouts-controller/v1", "kube-controller-manager/v1", "contour/1", "curl/8"]
    log.write_text("".join(line(agent=agent) for agent in agents))
    found = [entry["userAgent"] for entry in audit.news() if is_of_a_tool(entry)]
    assert found == ["rollouts-controller/v1", "curl/8"]


def test_an_entry_tells_when_it_was_answered(tmp_path: Path) -> None:
    assert answered(json.loads(line())) == 1795262400.25
