"""Container images of one static program each, in one archive in the OCI layout, made without a container engine."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .catalogue import Image

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PROGRAM = "program"


def write(images: Sequence[Image], programs: Mapping[str, Path], archive: Path) -> None:
    """Write all images into `archive`; images of one program share their layer.

    Shape: https://github.com/opencontainers/image-spec/blob/main/image-layout.md. The annotation
    `io.containerd.image.name` is where containerd's import takes the name from.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as target:
        blobs = _Blobs(target)
        layers = {program: _layer(programs[program]) for program in sorted({image.program for image in images})}
        manifests = [_manifest(image, layers[image.program], blobs) for image in images]
        _add(target, "index.json", _encoded({"schemaVersion": 2, "manifests": manifests}))
        _add(target, "oci-layout", _encoded({"imageLayoutVersion": "1.0.0"}))


class _Blobs:
    """Content stored under its digest, once."""

    def __init__(self, target: tarfile.TarFile) -> None:
        self.target = target
        self.known: set[str] = set()

    def add(self, media_type: str, content: bytes) -> dict[str, object]:
        """Store the content and return its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.known:
            self.known.add(digest)
            _add(self.target, f"blobs/sha256/{digest}", content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _manifest(image: Image, layer: bytes, blobs: _Blobs) -> dict[str, object]:
    configuration = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {
            "Entrypoint": [f"/{PROGRAM}"],
            "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blobs.add("application/vnd.oci.image.config.v1+json", _encoded(configuration)),
        "layers": [blobs.add("application/vnd.oci.image.layer.v1.tar", layer)],
    }
    descriptor = blobs.add("application/vnd.oci.image.manifest.v1+json", _encoded(manifest))
    return descriptor | {"annotations": {"io.containerd.image.name": image.name}}


def _layer(program: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        _add(layer, PROGRAM, program.read_bytes(), mode=0o755)
    return content.getvalue()


def _add(target: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    target.addfile(member, io.BytesIO(content))


def _encoded(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
