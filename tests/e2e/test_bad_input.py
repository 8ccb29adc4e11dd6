"""What people get wrong, one test each: the message says what, where and what to do, and nothing was written."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.conftest import OpenShop
from tests.shop.operators import Run
from tests.shop.shop import Shop

CLOSED = "127.0.0.1:1"
TRAFFIC = ("HTTPRoute/", "Ingress/", "Service/web", "Deployment/web-v1")


@pytest.fixture(scope="module")
def shop(open_shop_for_module: OpenShop) -> Shop:
    """A shop on Gateway API, in which nothing ever succeeds."""
    return open_shop_for_module("gateway_api", canary_deploy_timeout=60)


@pytest.fixture(scope="module")
def ingress_shop(open_shop_for_module: OpenShop) -> Shop:
    """The same behind an Ingress."""
    return open_shop_for_module("ingress_nginx")


def fails(shop: Shop, playbook: str, *needles: str, **variables: Any) -> Run:
    """Run a playbook that is to fail with all of `needles` in one message, and to write nothing."""
    before = shop.settled_objects()
    run = shop.run(playbook, **variables)
    tells(run, *needles)
    assert run.writes == []
    assert shop.objects() == before
    return run


def tells(run: Run, *needles: str) -> None:
    assert run.code == 2, run.output
    messages = [message for result in run.results if result["failed"] for message in _messages(result["result"])]
    assert any(all(needle in message for needle in needles) for message in messages), messages
    assert "Traceback" not in run.output + json.dumps(run.results), run.output


def _messages(result: dict[str, Any]) -> list[str]:
    return [str(each.get("msg")) for each in result.get("results") or [result]]


def traffic_of(shop: Shop) -> dict[str, Any]:
    """Return the specs and annotations of what serves users, which even a release that fails late leaves alone."""
    return {
        name: (item.get("spec"), item["metadata"].get("annotations"))
        for name, item in shop.objects().items()
        if name.startswith(TRAFFIC) and item["metadata"]["name"] in ("web", "web-v1")
    }


# the backend


def test_an_unknown_backend_is_answered_with_those_there_are(shop: Shop) -> None:
    fails(
        shop,
        "release",
        "carrier_pigeon",
        "gateway_api, ingress_nginx",
        canary_version="v2",
        canary_backend={"type": "carrier_pigeon"},
    )


def test_a_missing_route_is_named_with_its_namespace_and_the_option_that_names_it(shop: Shop) -> None:
    fails(
        shop,
        "release",
        f"there is no HTTPRoute 'gone' in namespace {shop.namespace} on https://",
        "backend.route",
        canary_version="v2",
        canary_backend={"type": "gateway_api", "route": "gone"},
    )


def test_a_missing_ingress_is_named_with_its_namespace_and_the_option_that_names_it(ingress_shop: Shop) -> None:
    fails(
        ingress_shop,
        "release",
        f"there is no Ingress {ingress_shop.namespace}/gone on https://",
        "backend.ingress",
        canary_version="v2",
        canary_backend={"type": "ingress_nginx", "ingress": "gone"},
    )


def test_a_backend_without_the_name_of_its_route_is_told_the_option(shop: Shop) -> None:
    fails(shop, "release", "backend.route is missing", canary_version="v2", canary_backend={"type": "gateway_api"})


def test_a_route_with_two_rules_for_the_application_is_ambiguous_and_the_rules_are_named(shop: Shop) -> None:
    spec = shop.objects()["HTTPRoute/web"]["spec"]
    rule = {key: value for key, value in spec["rules"][0].items() if key != "name"}
    rules = [
        {**rule, "name": "shop", "matches": [{"path": {"type": "PathPrefix", "value": "/shop"}}]},
        {**rule, "name": "rest", "matches": [{"path": {"type": "PathPrefix", "value": "/"}}]},
    ]
    shop.access.operator().create(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "double", "namespace": shop.namespace},
            "spec": {"parentRefs": spec["parentRefs"], "hostnames": [f"double.{shop.hostname}"], "rules": rules},
        }
    )
    try:
        fails(
            shop,
            "release",
            f"HTTPRoute {shop.namespace}/double",
            "'shop'",
            "'rest'",
            "backend.rule",
            canary_version="v2",
            canary_backend={"type": "gateway_api", "route": "double"},
        )
    finally:
        shop.access.operator().delete("HTTPRoute", "double", shop.namespace)


def test_a_second_canary_on_the_same_host_is_refused_and_named(ingress_shop: Shop) -> None:
    main = ingress_shop.objects()["Ingress/web"]
    other = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "experiment",
            "namespace": ingress_shop.namespace,
            "annotations": {
                "nginx.ingress.kubernetes.io/canary": "true",
                "nginx.ingress.kubernetes.io/canary-weight": "0",
            },
        },
        "spec": main["spec"],
    }
    before = traffic_of(ingress_shop)
    ingress_shop.access.operator().create(other)
    try:
        run = ingress_shop.run("release", canary_version="v2")
    finally:
        ingress_shop.access.operator().delete("Ingress", "experiment", ingress_shop.namespace)
    tells(run, f"Ingress {ingress_shop.namespace}/experiment is a canary on", ingress_shop.hostname)
    assert traffic_of(ingress_shop) == before
    assert not [name for name in ingress_shop.objects() if name == "Ingress/web-canary"]


def test_a_route_that_splits_between_others_already_is_refused_and_they_are_named(shop: Shop) -> None:
    route = shop.objects()["HTTPRoute/web"]
    rule = route["spec"]["rules"][0]
    (stable,) = rule["backendRefs"]
    others = [{**stable, "name": name, "weight": 0} for name in ("web-v7", "web-v8")]
    operator = shop.access.operator()
    operator.edit("HTTPRoute", "web", shop.namespace, {"spec": {"rules": [{**rule, "backendRefs": [stable, *others]}]}})
    try:
        fails(shop, "release", "web-v7", "web-v8", canary_version="v2")
    finally:
        operator.edit("HTTPRoute", "web", shop.namespace, {"spec": {"rules": [rule]}})


# the stages

STAGES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "a weight out of range": ([150], ("weight 150 is out of range", "a percentage from 0 to 100")),
    "a negative weight": ([-1, 100], ("weight -1 is out of range", "a percentage from 0 to 100")),
    "a weight that is too fine": (["0.001", 100], ("weight '0.001' is finer than 0.01 %",)),
    "a weight that is no number": (["some", 100], ("weight 'some' is not a percentage",)),
    "stages that do not ascend": ([50, 10, 100], ("stage 2 has weight 10 %, which is not above 50 %", "ascend")),
    "the same stage twice": ([10, 10, 100], ("stage 2 has weight 10 %, which is not above 10 %",)),
    "stages that end early": ([10, 50], ("the last stage has weight 50 %; it must have 100", "Add {weight: 100}")),
    "no stages": ([], ("stages must be a list with at least one stage",)),
    "a stage without a weight": ([{"verify": "quick"}, 100], ("stage 1 has no weight",)),
    "unknown keys in a stage": (
        [{"wieght": 10, "bake": "1m"}, 100],
        ("stage 1", "wieght", "name, weight, matches, mirror, verify, bake, approve"),
    ),
    "unknown keys in a stage's verify": (
        [{"weight": 10, "verify": {"profil": "quick"}}, 100],
        ("stage 1: verify", "profil", "profile"),
    ),
    "an unknown profile": ([{"weight": 10, "verify": "fast"}, 100], ("stage 1", "fast", "quick, standard, strict")),
    "a bake time that is no duration": (
        [{"weight": 10, "bake": "a while"}, 100],
        ("stage 1: bake", "'a while' is not a duration", "5m"),
    ),
}


@pytest.mark.parametrize("case", STAGES)
def test_stages_are_checked_before_anything_is_touched(shop: Shop, case: str) -> None:
    stages, needles = STAGES[case]
    fails(shop, "release", *needles, canary_version="v2", canary_stages=stages)


# the cluster and who asks


def as_user(shop: Shop, token: str) -> dict[str, Any]:
    """Return the options of somebody with this token."""
    configuration = shop.access.connect()._connection._configuration
    return {"host": configuration.host, "ca_cert": configuration.ssl_ca_cert, "api_key": token}


def test_an_api_that_cannot_be_reached_is_named_and_the_deadline_is_kept(shop: Shop) -> None:
    cluster = {"host": f"https://{CLOSED}", "api_key": "any", "api_timeout": 2}
    fails(
        shop,
        "release",
        f"cannot reach the Kubernetes API at https://{CLOSED}",
        "refused",
        "run the same command again",
        canary_version="v2",
        canary_cluster=cluster,
    )


def test_a_token_that_is_no_longer_good_is_told_from_a_missing_permission(shop: Shop) -> None:
    operator, account = shop.access.operator(), "leaver"
    operator.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": shop.namespace}}
    )
    token = operator.token(account, shop.namespace)
    operator.delete("ServiceAccount", account, shop.namespace)
    for credentials in (token, "never-was-one"):
        run = fails(
            shop,
            "release",
            "does not accept the credentials",
            "(401). Is the token expired?",
            "Nothing was changed",
            canary_version="v2",
            canary_cluster=as_user(shop, credentials),
        )
        assert credentials not in run.output


def test_a_forbidden_verb_is_named_with_the_rule_that_would_allow_it(shop: Shop) -> None:
    operator, account = shop.access.operator(), "reader"
    place = {"name": account, "namespace": shop.namespace}
    group = "rbac.authorization.k8s.io"
    operator.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    token = operator.token(account, shop.namespace)
    cluster = as_user(shop, token)
    fails(
        shop,
        "status",
        f"may not get httproutes.gateway.networking.k8s.io 'web' in namespace {shop.namespace}",
        'Add this rule to a Role bound to it: {apiGroups: ["gateway.networking.k8s.io"], '
        "resources: [httproutes], verbs: [get]}",
        canary_cluster=cluster,
    )
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "patch"]},
    ]
    operator.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": place, "rules": rules})
    operator.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", **place}],
        }
    )
    fails(
        shop,
        "release",
        f"may not patch deployments.apps 'web-v2' in namespace {shop.namespace}",
        '{apiGroups: ["apps"], resources: [deployments], verbs: [patch]}',
        canary_version="v2",
        canary_cluster=cluster,
    )


CLUSTERS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a kubeconfig that is not there": (
        {"kubeconfig": "/nowhere/config"},
        ("kubeconfig /nowhere/config does not exist", "give kubeconfig, host with api_key, or in_cluster"),
    ),
    "a host without credentials": (
        {"host": f"https://{CLOSED}"},
        (f"host https://{CLOSED} is given without credentials", "api_key"),
    ),
    "in_cluster outside of a pod": ({"in_cluster": True}, ("in_cluster: this is not a pod with a service account",)),
    "groups without a user": (
        {"impersonate_groups": ["ops"], "host": f"https://{CLOSED}", "api_key": "any"},
        ("impersonate_groups needs impersonate_user",),
    ),
    "an unknown option": ({"kubecfg": "/nowhere"}, ("Unsupported parameters", "kubecfg")),
}


@pytest.mark.parametrize("case", CLUSTERS)
def test_options_of_the_cluster_are_checked(shop: Shop, case: str) -> None:
    cluster, needles = CLUSTERS[case]
    fails(shop, "release", *needles, canary_version="v2", canary_cluster=cluster)


def test_an_unknown_context_is_answered_with_those_there_are(shop: Shop) -> None:
    kubeconfig = shop.inventory["canary_cluster"]["kubeconfig"]
    known = [entry["name"] for entry in yaml.safe_load(Path(kubeconfig).read_text())["contexts"]]
    cluster = {"kubeconfig": kubeconfig, "context": "nowhere"}
    fails(
        shop,
        "release",
        f"kubeconfig {kubeconfig} has no context 'nowhere'; it has: {', '.join(sorted(known))}",
        canary_version="v2",
        canary_cluster=cluster,
    )


def test_of_several_mistakes_at_once_the_first_is_told_and_nothing_is_touched(shop: Shop) -> None:
    fails(
        shop,
        "release",
        "kubeconfig /nowhere/config does not exist",
        canary_version="v2",
        canary_cluster={"kubeconfig": "/nowhere/config"},
        canary_backend={"type": "gateway_api", "route": "gone"},
        canary_stages=[{"wieght": 1}, 400],
        canary_client={**shop.inventory["canary_client"], "address": CLOSED},
    )
    fails(
        shop,
        "release",
        "there is no HTTPRoute 'gone'",
        canary_version="v2",
        canary_backend={"type": "gateway_api", "route": "gone"},
        canary_stages=[{"wieght": 1}, 400],
    )
    fails(shop, "release", "stage 1", "wieght", canary_version="v2", canary_stages=[{"wieght": 1}, 400])


def test_a_release_without_a_version_is_told_the_variable(shop: Shop) -> None:
    fails(shop, "release", "Nobody said which version of web to release", "-e canary_version=v2")


# the client's side


def client(shop: Shop, **changes: Any) -> dict[str, Any]:
    return {**shop.inventory["canary_client"], "settle_timeout": 2, **changes}


def test_an_address_that_refuses_connections_is_told(shop: Shop) -> None:
    fails(
        shop,
        "verify",
        "the way to it is not well",
        "(refused: Connection refused)",
        "check url, address",
        canary_client=client(shop, address=CLOSED),
    )


def test_a_url_that_is_none_is_told(shop: Shop) -> None:
    fails(shop, "verify", "url", "shop.example.com", canary_client=client(shop, url="shop.example.com"))


def test_answers_that_do_not_tell_their_version_are_no_proof(shop: Shop) -> None:
    fails(
        shop,
        "verify",
        "answers did not tell their version; check identify",
        canary_client=client(shop, identify={"header": "X-Release"}),
    )


def test_a_certificate_that_is_not_trusted_is_told_with_the_option_that_trusts_it(
    shop: Shop, authority: tuple[str, Path]
) -> None:
    address, certificate = authority
    secure = client(shop, url=f"https://{shop.hostname}/", address=address)
    fails(shop, "verify", "is not trusted", "set ca_cert to a PEM file of its authority", canary_client=secure)
    trusted = shop.run("verify", canary_client={**secure, "ca_cert": str(certificate)})
    trusted.require()


class _Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Version", "v1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_arguments: Any) -> None:
        """A client that does not trust the certificate goes away: that is what is tested."""


@pytest.fixture
def authority(shop: Shop, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server whose certificate nobody knows: its address, and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody knows this authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, True, True, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(shop.hostname), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "certificate.pem", tmp_path / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    with _Server(("127.0.0.1", 0), _Web) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", chain
        server.shutdown()
        thread.join()


# the version


def test_a_version_that_crashes_is_told_with_what_its_pods_say(shop: Shop) -> None:
    before = traffic_of(shop)
    run = shop.run("release", canary_version="broken")
    tells(run, "web-broken", "exit code 1", "Its log ends", "crashing at start", "kubectl")
    assert traffic_of(shop) == before


def test_an_image_that_is_missing_is_named(shop: Shop) -> None:
    before = traffic_of(shop)
    run = shop.run("release", canary_version="v99")
    tells(run, "canary.lab/web:v99", "web-v99")
    assert traffic_of(shop) == before


@pytest.mark.parametrize("probe", [True, False], ids=["probed", "unprobed"])
def test_a_version_that_does_not_say_who_it_is_never_gets_to_be_stable(open_shop: OpenShop, probe: bool) -> None:
    shop = open_shop("gateway_api")
    before = traffic_of(shop)
    run = shop.run("release", canary_version="silent", canary_probe=probe, canary_client=client(shop))
    tells(run, "answers did not tell their version; check identify")
    split = shop.run("status").require().values("split")[0]
    assert split["stable"]["version"] == "v1"
    if probe:
        assert split["weight"] == "0"
        assert before["Deployment/web-v1"] == traffic_of(shop)["Deployment/web-v1"]
