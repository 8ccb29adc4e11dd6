"""The last page of the demonstration: measured splits, requests, lost requests, times."""

from __future__ import annotations

from typing import Any

from tests.shop.operators import Run


class Summary:
    """A good release, a refused one, and the load that ran through both."""

    def __init__(self, good: Run, bad: Run, load: dict[str, Any]) -> None:
        self.good = good
        self.bad = bad
        self.load = load

    def as_it_should_be(self) -> bool:
        """v2 is out, v3 is not, and nobody lost a request."""
        return (
            self.good.code == 0
            and self.bad.code != 0
            and self.load["failed"] == 0
            and "v3" not in self.load["versions"]
        )

    def text(self) -> str:
        """Return the page."""
        lines = [f"  {proof['msg']}" for proof in self.good.proofs]
        refused = [result["msg"] for result in self.bad.values_of("ansible.builtin.fail")]
        lines += [f"v3 was {'refused' if self.bad.code else 'NOT refused'}:", *(f"  {text}" for text in refused[-1:])]
        requests = sum(proof["requests"]["sent"] for proof in self.good.proofs + self.bad.proofs)
        failed, served = self.load["failed"], self.load["versions"]
        return "\n".join(
            [
                f"v2 was {'released' if self.good.code == 0 else 'NOT released'} in {self.good.seconds:.0f} s:",
                *lines,
                f"requests used to prove all this: {requests}",
                f"steady load: {self.load['requests']} requests in {self.load['seconds']:.0f} s, "
                f"{self.load['long']['requests']} of them four seconds long; lost: {failed}",
                f"users who got v3: {served.get('v3', {}).get('answers', 0)}",
            ]
        )
