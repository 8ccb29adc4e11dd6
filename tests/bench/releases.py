"""What an operator waits for, and what it costs the controller and the API: G1, G2, G3, G9, G10."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

from tests.bench import plays
from tests.bench.measure import Series, in_turn
from tests.bench.plays import Played, Site, Task
from tests.bench.report import Row

_MANY, _SOME, _FEW = 11, 6, 3  # stages of the long plays: verbs, role, naive forms
_STAGES = ((10, 0), (50, 10), (100, 50))
_CURLS = 100
_SAMPLES_A_STAGE = 495

# The targets, and how often the reference that was measured beside them: see "How it was measured" in report.py.
_FIRST_WRITE_S, _FIRST_WRITE_SCALED = 0.20, round(0.20 / 0.49, 2)
_STAGE_MS, _STAGE_SCALED = 50, round(50 / 14, 1)
_RELEASE_S, _RELEASE_SCALED = 1.4, round(1.4 / 0.49, 1)


def first_write(site: Site, rounds: int) -> list[Row]:
    """G1: from the start of the process to the first PATCH at the API."""
    one = [plays.move(10)]
    shell = [{"name": "Write the weight", "ansible.builtin.shell": plays.naive_write(10, "{{ route }}")}]
    runs: dict[str, list[Played]] = in_turn(
        {
            "empty": lambda: site.play([]),
            "ours": lambda: site.play(one),
            "module": lambda: site.play(one, modules=True),
            "facts": lambda: site.play([{"name": "Gather facts", "ansible.builtin.setup": {}}, *one], modules=True),
            "shell": lambda: site.play(shell),
        },
        rounds,
    )
    empty = _series(runs["empty"], lambda run: run.finished.wall)
    ours, module, facts, shell_ = (
        _series(runs[form], lambda run: run.to_first_write) for form in ("ours", "module", "facts", "shell")
    )
    above = ours.minus(empty)
    of_empty = above.median / empty.median
    return [
        Row(
            "G1",
            "start of the process to first PATCH, s",
            ours.show(2),
            f"module: {module.show(2)}",
            module.median / ours.median,
        ),
        Row("", "", "", f"gather_facts + module: {facts.show(2)}", facts.median / ours.median),
        Row("", "", "", f"shell, curl in a play: {shell_.show(2)}", shell_.median / ours.median),
        Row(
            "G1",
            "the same above an empty play, s",
            above.show(2),
            f"module: {module.minus(empty).show(2)}; an empty play takes {empty.show(2)}",
            module.minus(empty).median / above.median,
            f"<= {_FIRST_WRITE_S:.2f}",
            above.median <= _FIRST_WRITE_S,
            f"{of_empty:.2f} of an empty play; <= {_FIRST_WRITE_SCALED}",
            of_empty <= _FIRST_WRITE_SCALED,
        ),
    ]


def stage(site: Site, rounds: int) -> list[Row]:
    """G2: what one more stage costs, without the time in which verify sampled."""

    def weights(count: int) -> list[int]:
        return [40 + 20 * (number % 2) for number in range(count)]

    def stages(count: int) -> list[Task]:
        return [plays.stage(weight, "quick") for weight in weights(count)]

    def verbs(count: int) -> list[Task]:
        return [
            task for weight in weights(count) for task in (plays.move(weight), plays.prove(weight, profile="quick"))
        ]

    def roles(count: int) -> list[Task]:
        return [plays.shift(weight, before) for before, weight in itertools.pairwise([0, *weights(count)])]

    def naive(count: int) -> list[Task]:
        return [task for weight in weights(count) for task in plays.naive_stage(weight, site.port, 0)]

    runs: dict[str, list[Played]] = in_turn(
        {
            "nothing 1": lambda: site.play([plays.nothing()]),
            "nothing n": lambda: site.play([plays.nothing()] * _MANY),
            "stages 1": lambda: site.play(stages(1)),
            "stages n": lambda: site.play(stages(_MANY)),
            "verbs 1": lambda: site.play(verbs(1)),
            "verbs n": lambda: site.play(verbs(_MANY)),
            "role 1": lambda: site.play(roles(1)),
            "role n": lambda: site.play(roles(_SOME)),
            "module 1": lambda: site.play(verbs(1), modules=True),
            "module n": lambda: site.play(verbs(_FEW), modules=True),
            "shell 1": lambda: site.play(naive(1)),
            "shell n": lambda: site.play(naive(_FEW)),
        },
        rounds,
    )

    def slope(form: str, stages: int) -> Series:
        one, many = (_series(runs[f"{form} {size}"], lambda run: run.without_sampling) for size in ("1", "n"))
        return many.minus(one).over((stages - 1) / 1000)

    floor, module, shell = slope("nothing", _MANY), slope("module", _FEW), slope("shell", _FEW)
    modules = f"modules: {module.show(0)}"

    def judged(what: str, form: str, stages: int, naive: str, times: Series) -> Row:
        ours = slope(form, stages)
        times_nothing = ours.median / floor.median
        return Row(
            "G2",
            what,
            ours.show(0),
            naive,
            times.median / ours.median,
            f"<= {_STAGE_MS}",
            ours.median <= _STAGE_MS,
            f"{times_nothing:.1f} x a task that does nothing ({floor.show(0)}); <= {_STAGE_SCALED}",
            times_nothing <= _STAGE_SCALED,
        )

    role = slope("role", _SOME)
    return [
        judged(
            "one more stage (one task: set, wait, verify; sampling not counted), ms",
            *("stages", _MANY, modules, module),
        ),
        Row("", "", "", f"shell: write, read, compare: {shell.show(0)}", shell.median / slope("stages", _MANY).median),
        judged(
            "the same as two tasks, `traffic` and `verify`, ms", "verbs", _MANY, f"modules: {module.show(0)}", module
        ),
        Row(
            "G2",
            "the same as the role `shift`, ms",
            role.show(0),
            f"shell: {shell.show(0)}",
            shell.median / role.median,
            scaled=f"{role.median / floor.median:.1f} x a task that does nothing",
        ),
    ]


def release(site: Site, rounds: int) -> list[Row]:
    """G3: three stages, everything answering at once, unlimited rate."""
    stages = [plays.stage(weight) for weight, _before in _STAGES]
    verbs = [task for weight, _before in _STAGES for task in (plays.move(weight), plays.prove(weight))]
    roles = [plays.shift(weight, before) for weight, before in _STAGES]
    port = site.gateway.plain
    naive = [task for weight, _before in _STAGES for task in plays.naive_stage(weight, port, _CURLS)]
    route = f"http://127.0.0.1:{site.port}/apis/gateway.networking.k8s.io/v1/namespaces/bench/httproutes/web-0"
    script = "\n".join(
        f"{plays.naive_write(weight, route)}; curl -fsS {route} | grep -q '{weight * 100}'; "
        + plays.naive_samples(port, _CURLS)
        for weight, _before in _STAGES
    )
    runs: dict[str, list[Played]] = in_turn(
        {
            "empty": lambda: site.play([]),
            "stages": lambda: site.play(stages),
            "verbs": lambda: site.play(verbs),
            "role": lambda: site.play(roles),
            "play": lambda: site.play(naive),
            "script": lambda: site.script(script),
        },
        rounds,
    )
    seconds = {form: _series(played, lambda run: run.finished.wall) for form, played in runs.items()}
    empty, role, play, bash = (seconds[form] for form in ("empty", "role", "play", "script"))
    samples = _series(runs["stages"], lambda run: float(run.samples))

    def judged(what: str, form: str) -> Row:
        ours = seconds[form]
        times_empty = ours.median / empty.median
        return Row(
            "G3",
            what,
            ours.show(2),
            f"play, {_CURLS} curls a stage: {play.show(2)}",
            play.median / ours.median,
            f"<= {_RELEASE_S}",
            ours.median <= _RELEASE_S,
            f"{times_empty:.1f} x an empty play ({empty.show(2)}); <= {_RELEASE_SCALED}",
            times_empty <= _RELEASE_SCALED,
        )

    return [
        judged(f"three stages 10-50-100 %, a task each, {samples.median / 3:.0f} samples a stage, s", "stages"),
        Row("", "", "", f"bash script, {_CURLS} curls a stage: {bash.show(2)}", bash.median / seconds["stages"].median),
        judged("the same as two tasks a stage, `traffic` and `verify`, s", "verbs"),
        Row(
            "G3",
            "the same as the role `shift`, s",
            role.show(2),
            f"play: {play.show(2)}",
            play.median / role.median,
            scaled=f"{role.median / empty.median:.1f} x an empty play",
        ),
        Row(
            "G3",
            "samples a stage",
            f"{samples.over(3).show(0)}",
            f"{_CURLS}",
            target=f">= {_SAMPLES_A_STAGE}",
            met=samples.median / 3 >= _SAMPLES_A_STAGE,
        ),
    ]


def memory(site: Site, rounds: int) -> list[Row]:
    """G9: greatest memory of the controller's processes, shared pages counted once."""
    stages = [plays.move(10)]
    wide = {"ANSIBLE_FORKS": "50"}
    runs: dict[str, list[Played]] = in_turn(
        {
            "one": lambda: site.play(stages, weigh=True),
            "hundred": lambda: site.play(stages, hosts=plays.TARGETS, weigh=True),
            "module one": lambda: site.play(stages, modules=True, weigh=True),
            "module ten": lambda: site.play(stages, modules=True, hosts=10, weigh=True),
        },
        rounds,
    )
    print("    modules at 50 forks", flush=True)
    most = site.play(stages, modules=True, hosts=plays.TARGETS, settings=wide, weigh=True).finished.memory
    one, hundred, module, modules = (
        _series(runs[form], lambda run: run.finished.memory) for form in ("one", "hundred", "module one", "module ten")
    )
    return [
        Row(
            "G9",
            "memory, 1 target, MiB",
            one.show(0),
            f"module: {module.show(0)}",
            module.median / one.median,
            "<= 90",
            one.median <= 90,
        ),
        Row(
            "G9",
            "memory, 100 targets, 5 forks, MiB",
            hundred.show(0),
            f"modules, 10 targets: {modules.show(0)}; 100 targets at 50 forks: {most:.0f} (one run)",
            modules.median / hundred.median,
            "<= 150",
            hundred.median <= 150,
        ),
    ]


def requests(site: Site) -> list[Row]:
    """G10: what one stage asks the API. An exact count, so once is enough."""
    one, two = ([plays.shift(weight, before) for weight, before in _STAGES[:count]] for count in (1, 2))
    counts = [Counter(map(_kind, site.play(tasks).requests)) for tasks in (one, two)]
    stage = counts[1] - counts[0]
    naive = Counter(map(_kind, site.play(plays.naive_stage(10, site.port, 0)).requests))
    met = stage["read"] + stage["write"] <= 2 and stage["watch"] <= 1 and not stage["discovery"] and not stage["list"]
    return [
        Row(
            "G10",
            "API requests of a stage, counted at the API",
            _words(stage),
            f"curl: {_words(naive)}",
            target="2, one watch, 0 discovery",
            met=met,
        )
    ]


def _kind(request: dict[str, object]) -> str:
    if request["method"] != "GET":
        return "write"
    if "/namespaces/" not in str(request["path"]):
        return "discovery"
    query = request["query"]
    if isinstance(query, dict) and query.get("watch"):
        return "watch"
    return "list" if str(request["path"]).endswith("/httproutes") else "read"


def _words(counts: Counter[str]) -> str:
    return ", ".join(
        f"{counts[kind]} {kind}"
        for kind in ("read", "write", "watch", "list", "discovery")
        if counts[kind] or kind == "discovery"
    )


def _series(runs: list[Played], figure: Callable[[Played], float]) -> Series:
    return Series(tuple(map(figure, runs)))
