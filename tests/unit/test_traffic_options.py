"""The option backend, and the versions behind a split."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._backends import BACKENDS
from ansible_collections.gradual.canary.plugins.module_utils._backends._arguments import backend, matches
from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import version_of
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match


def errors(spec: ArgumentSpec, values: dict[str, object]) -> list[str]:
    return [str(message) for message in ArgumentSpecValidator(**spec.keywords()).validate(values).error_messages]


def test_every_traffic_system_is_a_choice() -> None:
    assert backend().options["backend"]["options"]["type"]["choices"] == list(BACKENDS)


def test_every_option_of_every_traffic_system_is_known() -> None:
    known = set(backend().options["backend"]["options"])
    assert all(set(system.OPTIONS) <= known for system in BACKENDS.values())


def test_an_option_is_required_for_its_own_type_only() -> None:
    assert errors(backend(), {"backend": {"type": "gateway_api", "route": "web"}}) == []
    assert errors(backend(), {"backend": {"type": "ingress_nginx", "ingress": "web"}}) == []
    (message,) = errors(backend(), {"backend": {"type": "ingress_nginx"}})
    assert "ingress" in message


@pytest.mark.parametrize(
    "match",
    [
        {"value": "yes"},
        {"header": "X", "cookie": "c"},
        {"header": "X", "value": "a", "regex": "b"},
        {"header": "X", "values": "a"},
    ],
)
def test_a_match_that_says_too_little_or_too_much_is_refused(match: dict[str, str]) -> None:
    assert errors(matches(), {"matches": [match]})


def test_a_match_that_is_accepted_is_understood() -> None:
    validated = ArgumentSpecValidator(**matches().keywords()).validate({"matches": [{"cookie": "c"}]})
    assert validated.error_messages == []
    assert Match.parse(validated.validated_parameters["matches"][0]) == Match("cookie", "c", "always")


@pytest.mark.parametrize(
    ("selector", "labels", "version"),
    [
        ({"app.kubernetes.io/version": "v1"}, {"app.kubernetes.io/version": "old"}, "v1"),
        ({"app": "web", "version": "v1"}, {}, "v1"),
        ({"app": "web"}, {"app.kubernetes.io/version": "v1"}, "v1"),
        ({"app": "web"}, None, None),
        (None, None, None),
    ],
)
def test_the_version_is_what_the_selector_says_before_what_the_label_says(
    selector: dict[str, str] | None, labels: dict[str, str] | None, version: str | None
) -> None:
    assert version_of({"metadata": {"labels": labels}, "spec": {"selector": selector}}) == version
