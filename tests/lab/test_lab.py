"""What must hold of the lab's catalogue before anything is started."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tarfile
import time
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from laboratory import builds, catalogue, images, manifests, mounts, running, trees
from laboratory.errors import LabError
from laboratory.places import Placeholders, Places

CATALOGUE = catalogue.load()
NAMES = [component.name for component in CATALOGUE.components]


def test_every_port_belongs_to_one_component() -> None:
    uses = Counter(port for component in CATALOGUE.components for port in component.ports)
    assert [port for port, count in uses.items() if count > 1] == []


def test_every_name_is_given_once() -> None:
    assert [name for name, count in Counter(NAMES).items() if count > 1] == []


def test_no_component_waits_for_itself() -> None:
    order = TopologicalSorter({component.name: component.needs for component in CATALOGUE.components})
    assert set(order.static_order()) == set(NAMES)


@pytest.mark.parametrize("component", CATALOGUE.components, ids=lambda component: component.name)
def test_what_a_component_needs_is_in_its_own_tier_or_in_core(component: catalogue.Component) -> None:
    tiers = {CATALOGUE.component(need).tier for need in component.needs}
    assert tiers <= {component.tier, catalogue.CORE}


@pytest.mark.parametrize("component", CATALOGUE.components, ids=lambda component: component.name)
def test_a_component_only_uses_placeholders_that_exist(component: catalogue.Component) -> None:
    placeholders = Placeholders.of(Places("lab"), CATALOGUE)
    started = [*component.command, *component.environment.values(), *component.mounts.values()]
    prepared = [word for command in component.prepare for word in command]
    checked = [text for check in component.ready for text in (check.url, *check.command)]
    assert not any("${" in placeholders.fill(text) for text in started + prepared + checked)


@pytest.mark.parametrize("file", sorted((catalogue.HERE / "configuration").rglob("*.*")), ids=lambda file: file.name)
def test_a_configuration_file_only_uses_placeholders_that_exist(file: Path) -> None:
    assert "${" not in Placeholders.of(Places("lab"), CATALOGUE).fill(file.read_text())


def test_an_unknown_placeholder_is_named() -> None:
    with pytest.raises(LabError, match="'nowhere'"):
        Placeholders.of(Places("lab"), CATALOGUE).fill("${nowhere}")


@pytest.mark.parametrize("build", CATALOGUE.builds, ids=lambda build: build.name)
def test_a_build_has_its_module(build: catalogue.Build) -> None:
    folder = catalogue.HERE / build.folder
    assert (folder / "go.mod").is_file()
    assert build.package == "." or f"tool {build.package}" in (folder / "go.mod").read_text()


@pytest.mark.parametrize("component", CATALOGUE.components, ids=lambda component: component.name)
def test_manifests_of_our_own_are_there_and_can_be_addressed(component: catalogue.Component) -> None:
    for manifest in component.apply:
        if not manifest.module:
            assert all(document.name for document in manifests.documents(manifest))


def test_two_labs_share_no_place() -> None:
    first, second = (Placeholders.of(Places(name), CATALOGUE).values for name in ("first", "second"))
    shared = {name for name, value in first.items() if value == second[name]}
    # Addresses may be equal, for each lab has a network of its own; files, sockets and control groups may not.
    assert shared == {"node_address", "pods", "services", "snapshotter"}


def test_labs_beside_each_other_share_no_address() -> None:
    addresses = [address for position in CATALOGUE.positions for address in position.values()]
    assert len(CATALOGUE.positions) > 1
    assert len(set(addresses)) == len(addresses)
    first, second = (Placeholders.of(Places(name), CATALOGUE, seat) for seat, name in enumerate(("first", "second")))
    assert first["node_address"] != second["node_address"]


@pytest.mark.parametrize("tree", CATALOGUE.trees, ids=lambda tree: tree.name)
def test_the_labs_own_part_of_a_tree_is_there(tree: catalogue.Tree) -> None:
    assert all((catalogue.HERE / part.path).exists() for part in tree.parts if part.of == trees.LAB)


@pytest.mark.parametrize("text", ["nothing here", "stream {\n}\nstream {\n}\n"])
def test_an_edit_that_does_not_match_exactly_once_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "nginx.tmpl"
    file.write_text(text)
    with pytest.raises(LabError, match=r"matches it [02] times"):
        trees._edit(file, catalogue.Edit("nginx.tmpl", r"^stream \{.*?^\}", "gone"))
    assert file.read_text() == text


def test_a_component_cannot_hide_the_labs_own_folders_from_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(LabError, match=r"nginx has its own .*set another folder"):
        mounts.seeing({str(tmp_path): "/other"}, ["nginx"], Places("lab"))
    assert mounts.seeing({}, ["nginx"], Places("lab")) == ["nginx"]


@pytest.mark.parametrize("name", ["", "Lab", "a/b", "..", "-lab", "a" * 21])
def test_a_name_that_could_leave_the_labs_own_folder_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        Places(name)


def test_core_comes_with_every_tier_and_an_unknown_tier_is_refused() -> None:
    assert CATALOGUE.require(["traefik"]) == ["core", "traefik"]
    with pytest.raises(LabError, match="there is no tier nowhere; there are core"):
        CATALOGUE.require(["nowhere"])


def test_a_changed_source_is_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module canary.lab/module\n")
    (module / "main.go").write_text("package main\n\nfunc main() {}\n")
    monkeypatch.setattr(builds, "HERE", tmp_path)
    monkeypatch.setattr(builds, "_go_version", lambda: "go version go1.26.0 linux/amd64")
    entry = catalogue.Build(name="module", tier="core", folder="module", programs=("module",))
    before = builds._go_program(entry).path
    assert builds._go_program(entry).path == before
    (module / "main.go").write_text("package main\n\nfunc main() { println() }\n")
    assert builds._go_program(entry).path != before


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go on PATH")
def test_a_program_that_cannot_be_built_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module canary.lab/module\n")
    (module / "main.go").write_text("package main\n\nfunc main() { nowhere() }\n")
    monkeypatch.setattr(builds, "HERE", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = builds._go_program(catalogue.Build(name="module", tier="core", folder="module", programs=("module",)))
    with pytest.raises(LabError, match=r"(?s)module could not be built: go build.*undefined: nowhere"):
        builds.build([program])
    assert not program.path.parent.exists()


def test_an_image_archive_holds_every_image_and_each_program_once(tmp_path: Path) -> None:
    program = tmp_path / "application"
    program.write_bytes(b"\x7fELF" + bytes(1000))
    wanted = [catalogue.Image(f"canary.lab/web:{tag}", "application", {"VERSION": tag}) for tag in ("v1", "v2")]
    images.write(wanted, {"application": program}, tmp_path / "images.tar")
    with tarfile.open(tmp_path / "images.tar") as archive:

        def content(name: str) -> bytes:
            member = archive.extractfile(name)
            assert member is not None
            return member.read()

        def blob(digest: str) -> bytes:
            return content(f"blobs/sha256/{digest.removeprefix('sha256:')}")

        index = json.loads(content("index.json"))
        layers = set()
        for image, descriptor in zip(wanted, index["manifests"], strict=True):
            assert descriptor["annotations"] == {"io.containerd.image.name": image.name}
            manifest = json.loads(blob(descriptor["digest"]))
            configuration = json.loads(blob(manifest["config"]["digest"]))
            assert configuration["config"]["Env"] == [f"VERSION={image.environment['VERSION']}"]
            layers |= {layer["digest"] for layer in manifest["layers"]}
        (layer,) = layers
        with tarfile.open(fileobj=io.BytesIO(blob(layer))) as files:
            assert [(member.name, member.mode) for member in files] == [("program", 0o755)]


def test_a_tier_tells_its_own_time_without_its_wait_for_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = {"etcd": 1.0, "crds": 0.1, "gateway": 0.1}
    nothing = {"prepare": (), "command": (), "environment": {}, "mounts": {}, "apply": (), "ready": (), "ports": ()}
    components = [
        catalogue.Component(name=name, tier=tier, needs=needs, patience=1, **nothing)
        for name, tier, needs in (("etcd", "core", ()), ("crds", "mesh", ("etcd",)), ("gateway", "mesh", ("crds",)))
    ]
    laboratory = object.__new__(running.Laboratory)
    laboratory.address, laboratory.certificates = "", Path()
    monkeypatch.setattr(running, "Api", lambda *_: None)
    monkeypatch.setattr(laboratory, "_bring_up", lambda component, *_: time.sleep(seconds[component.name]), False)
    laboratory._start(components)
    told = dict(re.findall(r"tier (\w+) is up: ([\d.]+) s", capsys.readouterr().out))
    assert float(told["core"]) >= 1
    assert 0.2 <= float(told["mesh"]) < 1
