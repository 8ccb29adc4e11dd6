"""A pod template laid over one that another tool made."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._merge import merged

Object = dict[str, Any]
LIVE: Object = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"team": "shop"}},
    "spec": {
        "serviceAccountName": "web",
        "containers": [
            {
                "name": "main",
                "image": "web:v1",
                "ports": [{"name": "web", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            }
        ],
    },
}


def over(**container: Any) -> Object:
    return {
        "metadata": {"labels": {"v": "2"}},
        "spec": {"containers": [{"name": "app", "image": "web:v2", **container}]},
    }


def test_what_is_given_wins_and_all_else_stays() -> None:
    made = merged(LIVE, over(env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]))
    (container,) = made["spec"]["containers"]
    assert (container["name"], container["image"]) == ("main", "web:v2")
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "1", "B": "3", "C": "4"}
    assert made["spec"]["serviceAccountName"] == "web"
    assert made["metadata"] == {"labels": {"app": "web", "v": "2"}, "annotations": {"team": "shop"}}


def test_ports_that_a_service_may_name_and_a_probe_that_was_not_given_stay() -> None:
    open_port = {"tcpSocket": {"port": "http"}, "periodSeconds": 2}
    made = merged(LIVE, over(ports=[{"name": "http", "containerPort": 8080}], readinessProbe=open_port))
    (container,) = made["spec"]["containers"]
    assert container["ports"] == LIVE["spec"]["containers"][0]["ports"]
    assert container["readinessProbe"] == LIVE["spec"]["containers"][0]["readinessProbe"]


def test_a_probe_is_replaced_as_a_whole() -> None:
    made = merged(LIVE, over(readinessProbe={"exec": {"command": ["true"]}}))
    assert made["spec"]["containers"][0]["readinessProbe"] == {"exec": {"command": ["true"]}}


def test_it_is_not_guessed_which_of_several_containers_is_meant() -> None:
    two = {**LIVE, "spec": {"containers": [*LIVE["spec"]["containers"], {"name": "proxy", "image": "p"}]}}
    with pytest.raises(InvalidInput, match="main, proxy, and what is given has app"):
        merged(two, over())


def test_a_probe_asks_for_the_number_of_a_port_whose_name_the_container_does_not_have() -> None:
    ports = [{"name": "http", "containerPort": 8081}]
    (container,) = merged(LIVE, over(ports=ports, livenessProbe={"httpGet": {"port": "http"}}))["spec"]["containers"]
    assert container["livenessProbe"] == {"httpGet": {"port": 8081}}
    (container,) = merged(LIVE, over(ports=ports, livenessProbe={"httpGet": {"port": "web"}}))["spec"]["containers"]
    assert container["livenessProbe"] == {"httpGet": {"port": "web"}}
