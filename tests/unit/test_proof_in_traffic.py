"""Options of a proof inside another verb: refused before anything is written, in words that name the place."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._arguments import validated, verification_options
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

GIVEN: dict[str, Any] = {
    "canary": "v2",
    "stable": "v1",
    "weight": "10",
    "url": "http://shop.example.com/",
    "identify": {"header": "X-Version"},
}


def test_options_inside_another_option_get_their_defaults() -> None:
    values = validated(verification_options(), {**GIVEN, "rate": "50"}, "verify")
    assert values["rate"] == 50.0
    assert values["profile"] == "standard"
    assert values["errors"]["enabled"] is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rtae": 10}, "verify: .*rtae"),
        ({"rate": "many"}, "verify: .*rate"),
        ({"profile": "fast"}, "verify: .*profile.*quick, standard, strict"),
        ({"identify": None}, "verify: .*identify"),
    ],
)
def test_a_wrong_option_inside_another_option_is_named_with_its_place(change: dict[str, Any], message: str) -> None:
    given = {key: value for key, value in {**GIVEN, **change}.items() if value is not None}
    with pytest.raises(InvalidInput, match=message):
        validated(verification_options(), given, "verify")
