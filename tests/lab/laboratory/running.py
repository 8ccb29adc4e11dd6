"""Bringing a lab up, and what it looks like while it runs."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fcntl import LOCK_EX, flock
from pathlib import Path

from . import (
    builds,
    certificates,
    images,
    leftovers,
    manifests,
    mounts,
    namespace,
    neighbours,
    processes,
    readiness,
    trees,
)
from .api import Api
from .catalogue import HERE, Catalogue, Certificate, Component
from .errors import LabError, last_lines
from .packages import SYSTEM_PATH
from .places import Placeholders, Places

PATIENCE = 120
POLL = 0.05
API_PORT = 6443


@dataclass(frozen=True)
class Row:
    """One component as `status` shows it."""

    component: str
    state: str
    pid: str
    ready: str
    ports: str


class Laboratory:
    """One lab: what it consists of, and where it lies on this machine."""

    def __init__(self, places: Places, catalogue: Catalogue) -> None:
        self.places = places
        self.catalogue = catalogue
        self.placeholders = Placeholders.of(places, catalogue, neighbours.seat_of(places).position)
        self.certificates = Path(self.placeholders["certificates"])
        self.address = f"{self.placeholders['node_address']}:{API_PORT}"
        self.environment = {"PATH": f"{places.bin}:{SYSTEM_PATH}", "HOME": str(places.state), "LANG": "C.UTF-8"}

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return Path(self.placeholders["kubeconfigs"]) / "admin.yaml"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one command at a time change this lab; others wait."""
        self.places.lock.parent.mkdir(parents=True, exist_ok=True)
        with self.places.lock.open("w") as lock:
            flock(lock, LOCK_EX)
            yield

    def tiers_up(self) -> list[str]:
        """The tiers that `up` was asked for since the lab was last down."""
        try:
            return self._tiers.read_text().split()
        except OSError:
            return []

    def up(self, tiers: Sequence[str]) -> None:
        """Start what does not run yet. The programs must have been built.

        A lab of which nothing runs any more starts over from nothing; one that lost a part gets it back.
        """
        if not namespace.exists(self.places.namespace) or not leftovers.recorded(self.places):
            leftovers.remove(self.places)
            namespace.create(self.places.namespace, self.placeholders["node_address"])
        neighbours.join(self.places, self.catalogue)
        leftovers.create_cgroup(self.places.cgroup)
        self._write_files(builds.programs(self.catalogue, tiers))
        builds.link(trees.trees(self.catalogue, tiers), self.places.trees)
        self._tiers.parent.mkdir(parents=True, exist_ok=True)
        self._tiers.write_text(" ".join(tiers))
        namespace.enter(self.places.namespace)
        namespace.forward()
        self._start(self.catalogue.components_of(tiers))

    def rows(self) -> list[Row]:
        """The state of every component of the tiers that are up; enters the namespace."""
        namespace.enter(self.places.namespace)
        api = Api(self.address, self.certificates)
        return [self._row(component, api) for component in self.catalogue.components_of(self.tiers_up())]

    @property
    def _tiers(self) -> Path:
        return self.places.run / "tiers"

    def _done(self, component: Component) -> Path:
        return self.places.run / "done" / component.name

    def _row(self, component: Component, api: Api) -> Row:
        pid = processes.pid_of(self.places, component.name)
        alive = pid is not None if component.command else self._done(component).exists()
        unmet = self._unmet(component, api) if alive else "not started"
        state = ("running" if component.command else "done") if alive else "stopped"
        ports = " ".join(map(str, component.ports))
        return Row(component.name, state, str(pid or "-"), "yes" if not unmet else f"no: {unmet}", ports or "-")

    def _filled(self, certificate: Certificate) -> Certificate:
        addresses = tuple(self.placeholders.fill(address) for address in certificate.addresses)
        return replace(certificate, addresses=addresses)

    def _write_files(self, programs: Sequence[builds.Program]) -> None:
        self.places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        builds.link(programs, self.places.bin)
        certificates.create([self._filled(each) for each in self.catalogue.certificates], self.certificates)
        for certificate in self.catalogue.certificates:
            if certificate.kubeconfig:
                server = f"https://{self.address}"
                text = certificates.kubeconfig(certificate.name, self.certificates, server, self.places.name)
                _write(self.kubeconfig.with_name(f"{certificate.name}.yaml"), text)
        templates = HERE / "configuration"
        for file in templates.rglob("*"):
            if file.is_file():
                target = Path(self.placeholders["configuration"]) / file.relative_to(templates)
                _write(target, self.placeholders.fill(file.read_text()))
        paths = {name: program.path for program in programs for name in program.programs}
        images.write(self.catalogue.images, paths, Path(self.placeholders["images"]))

    def _start(self, components: Sequence[Component]) -> None:
        api = Api(self.address, self.certificates)
        ready = {component.name: threading.Event() for component in components}
        abandoned = threading.Event()
        began: dict[str, float] = {}

        def bring_up(component: Component) -> None:
            for need in component.needs:
                while not ready[need].wait(POLL):
                    if abandoned.is_set():
                        return
            started = time.monotonic()
            began.setdefault(component.tier, started)  # not while it waits for another tier
            already = self._bring_up(component, api, abandoned)
            words = "was up already" if already else f"up after {time.monotonic() - started:.1f} s"
            print(f"{component.name} {words}", flush=True)
            ready[component.name].set()
            if all(ready[each.name].is_set() for each in components if each.tier == component.tier):
                print(f"tier {component.tier} is up: {time.monotonic() - began[component.tier]:.1f} s", flush=True)

        with ThreadPoolExecutor(len(components)) as pool:
            futures = [pool.submit(bring_up, component) for component in components]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                abandoned.set()
        _raise_first(futures)

    def _bring_up(self, component: Component, api: Api, abandoned: threading.Event) -> bool:
        """Start one component whose needs are met and wait until it is ready. Says whether it ran already."""
        environment = self.environment | {
            name: self.placeholders.fill(value) for name, value in component.environment.items()
        }
        already = processes.pid_of(self.places, component.name) is not None
        if not already:
            network = namespace.NAMESPACES / self.places.namespace
            processes.kill(processes.session_of(self.places, component.name, network))
            for words in component.prepare:
                self._prepare(component, [self.placeholders.fill(word) for word in words], environment)
            if not component.command or not self._done(component).exists():
                self._apply(component, api)
            if component.command:
                command = [self.placeholders.fill(word) for word in component.command]
                folders = {place: self.placeholders.fill(source) for place, source in component.mounts.items()}
                processes.start(self.places, component.name, mounts.seeing(folders, command, self.places), environment)
        deadline = time.monotonic() + PATIENCE
        while (unmet := self._unmet(component, api)) and not abandoned.is_set():
            if component.command and processes.pid_of(self.places, component.name) is None:
                raise self._failure(component, "ended instead of becoming ready")
            if time.monotonic() > deadline:
                raise self._failure(component, f"was not ready after {PATIENCE} s: {unmet}")
            time.sleep(POLL)
        _write(self._done(component), "")
        return already

    def _prepare(self, component: Component, command: list[str], environment: dict[str, str]) -> None:
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            raise LabError(f"{component.name}: there is no program {command[0]}")
        done = subprocess.run(
            [program, *command[1:]], env=environment, cwd=self.places.state, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{component.name}: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")

    def _apply(self, component: Component, api: Api) -> None:
        documents = (document for manifest in component.apply for document in manifests.documents(manifest))
        applied = [(document, api.apply(document)) for document in documents]
        deadline = time.monotonic() + PATIENCE
        for document, path in applied:
            while document.kind == "CustomResourceDefinition" and not api.condition(path, "Established")[0]:
                if time.monotonic() > deadline:
                    raise LabError(f"{component.name}: {document} was not established after {PATIENCE} s")
                time.sleep(POLL)

    def _unmet(self, component: Component, api: Api) -> str:
        checks = (readiness.unmet(check, self.placeholders, api, self.environment) for check in component.ready)
        return next(filter(None, checks), "")

    def _failure(self, component: Component, what: str) -> LabError:
        log = processes.log_of(self.places, component.name)
        return LabError(f"{component.name} {what}. The end of {log}:\n{last_lines(log)}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _raise_first(futures: Sequence[Future[None]]) -> None:
    for future in futures:
        future.result()
