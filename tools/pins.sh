#!/usr/bin/env bash
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Renews requirements/constraints.txt: resolves dev.txt afresh on the oldest and the newest supported Python, and writes
# down what came along. Where the two differ, both versions are kept with a marker.
#
#   tools/pins.sh OLDEST NEWEST     for example: tools/pins.sh python3.11 python3.13
set -euo pipefail

oldest=${1:?usage: tools/pins.sh OLDEST NEWEST}
newest=${2:?usage: tools/pins.sh OLDEST NEWEST}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -v '^-c ' requirements/dev.txt >"$work/dev.txt"
resolve() {
    echo "pins: resolving on $1" >&2
    "$1" -m venv "$work/$2"
    "$work/$2/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$work/dev.txt"
    "$work/$2/bin/python" -m pip freeze >"$work/$2.txt"
}
resolve "$oldest" oldest
resolve "$newest" newest

"$newest" - "$work" >"$work/constraints.txt" <<'PYTHON'
import re
import sys
from pathlib import Path


def pins(path):
    lines = Path(path).read_text().splitlines()
    pairs = (re.match(r"([\w.-]+)==([^;\s]+)", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", pair[1]).lower(): pair[2] for pair in pairs if pair}


work = Path(sys.argv[1])
direct, oldest, newest = (pins(work / f"{name}.txt") for name in ("dev", "oldest", "newest"))
print("# Versions of everything that dev.txt brings along. Written by `make pins`; do not edit by hand.")
for name in sorted((oldest.keys() | newest.keys()) - direct.keys()):
    if oldest.get(name) == newest.get(name):
        print(f"{name}=={oldest[name]}")
        continue
    if name in oldest:
        print(f'{name}=={oldest[name]}; python_version < "3.12"')
    if name in newest:
        print(f'{name}=={newest[name]}; python_version >= "3.12"')
PYTHON
cp "$work/constraints.txt" requirements/constraints.txt
