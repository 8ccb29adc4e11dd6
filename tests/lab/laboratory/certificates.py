"""The lab's authority, the key pairs it signs, and the kubeconfigs made of them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .catalogue import Certificate
from .errors import LabError

DAYS = "3650"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
AUTHORITY = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")


def create(certificates: Sequence[Certificate], folder: Path) -> None:
    """Make the authority, the service accounts' keys and every certificate that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = folder / "openssl.cnf"
    # The machine's own configuration would add extensions of its own choice.
    configuration.write_text("[req]\ndistinguished_name = name\n[name]\n")
    request = ["req", "-x509", "-config", str(configuration), "-days", DAYS, *KEY]
    if not (folder / "ca.crt").exists():
        authority = ("-subj", "/CN=gradual.canary lab", *_added(AUTHORITY))
        _openssl(*request, *_pair(folder, "ca"), *authority)
    if not (folder / "service-account.pub").exists():
        key, public = str(folder / "service-account.key"), str(folder / "service-account.pub")
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", key)
        _openssl("pkey", "-in", key, "-pubout", "-out", public)
    for certificate in certificates:
        if not (folder / f"{certificate.name}.crt").exists():
            signer = ("-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"))
            named = ("-subj", certificate.subject, *_added(_extensions(certificate)))
            _openssl(*request, *signer, *_pair(folder, certificate.name), *named)


def kubeconfig(certificate: str, folder: Path, server: str, context: str) -> str:
    """A kubeconfig that stands alone: the certificates are inside. JSON, which is YAML too."""
    cluster = {"server": server, "certificate-authority-data": _encoded(folder / "ca.crt")}
    user = {
        "client-certificate-data": _encoded(folder / f"{certificate}.crt"),
        "client-key-data": _encoded(folder / f"{certificate}.key"),
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": f"{context}-{certificate}", "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": f"{context}-{certificate}"}}],
        },
        indent=2,
    )


def _extensions(certificate: Certificate) -> list[str]:
    names = [f"IP:{address}" for address in certificate.addresses] + [f"DNS:{host}" for host in certificate.hosts]
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=clientAuth,serverAuth",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
    ]
    return extensions + ([f"subjectAltName={','.join(names)}"] if names else [])


def _pair(folder: Path, name: str) -> tuple[str, ...]:
    return "-out", str(folder / f"{name}.crt"), "-keyout", str(folder / f"{name}.key")


def _added(extensions: Sequence[str]) -> list[str]:
    return [word for extension in extensions for word in ("-addext", extension)]


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"openssl {' '.join(arguments)} failed:\n{done.stderr}")
