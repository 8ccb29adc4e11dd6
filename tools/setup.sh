#!/usr/bin/env bash
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes the virtual environment that every other target uses.
#
#   tools/setup.sh VENV [PYTHON]
#
# VENV is the folder to make; PYTHON an interpreter to use instead of the newest installed one that is supported.
# Nothing is done when the environment was made from the same requirements already; it keeps its Python until PYTHON
# names another or the folder is removed.
set -euo pipefail

venv=${1:?usage: tools/setup.sh VENV [PYTHON]}
wanted=${2:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Newest first. The upper end is what the newest pinned ansible-core supports on a controller.
supported="3.14 3.13 3.12 3.11"

stamp() {
    sha256sum requirements/dev.txt requirements/constraints.txt tools/setup.sh
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

up_to_date() {
    [[ -z $wanted || $(version_of "$wanted") == "$(version_of "$venv/bin/python")" ]] || return 1
    [[ -f $venv/.stamp && $(<"$venv/.stamp") == "$(stamp)" && -x $venv/bin/python ]]
}

up_to_date && exit 0

say() { printf 'setup: %s\n' "$*" >&2; }

# A name on PATH proves nothing (pyenv leaves shims that refuse to run), so every candidate is executed.
runs_as() {
    local version
    version=$("$1" -c 'import ssl, venv, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 1
    [[ $version == "$2" ]]
}

newest_python() {
    local version candidate pyenv_root=""
    command -v pyenv >/dev/null && pyenv_root=$(pyenv root 2>/dev/null || true)
    for version in $supported; do
        for candidate in "$(command -v "python$version" || true)" \
            "${pyenv_root:+$pyenv_root/versions/$version/bin/python}" \
            "${pyenv_root:-/nonexistent}"/versions/"$version".*/bin/python \
            "$(command -v python3 || true)" /usr/bin/"python$version"; do
            if [[ -x $candidate ]] && runs_as "$candidate" "$version"; then
                printf '%s\n' "$candidate"
                return 0
            fi
        done
    done
    say "no usable Python found; one of $supported must be installed"
    return 1
}

# Debian and Ubuntu ship ensurepip, which `python -m venv` needs, as a package of its own.
ensure_ensurepip() {
    "$1" -c 'import ensurepip' 2>/dev/null && return 0
    local package
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
        say "installing $package"
        apt-get update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -qy "$package" >&2 </dev/null
    else
        say "$1 has no ensurepip; install it first, on Debian or Ubuntu: sudo apt-get install $package"
        return 1
    fi
}

# One at a time: two targets started side by side must not install into the same folder.
mkdir -p "$(dirname "$venv")"
if command -v flock >/dev/null; then
    exec 9>"$venv.lock"
    flock 9
    up_to_date && exit 0
fi

rm -f "$venv/.stamp"
version=$(version_of "$venv/bin/python" || true)
if [[ -z $version || (-n $wanted && $(version_of "$wanted") != "$version") ]]; then
    python=${wanted:-$(newest_python)}
    ensure_ensurepip "$python"
    version=$(version_of "$python")
    say "making $venv with Python $version ($python)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
say "installing requirements/dev.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt </dev/null

# The checkout under the name Ansible and Python find it by: ansible_collections.gradual.canary
link=$venv/collections/ansible_collections/gradual/canary
mkdir -p "$(dirname "$link")"
"$venv/bin/python" - "$root" "$link" <<'PYTHON'
import os
import sys

root, link = sys.argv[1:]
if os.path.islink(link):
    os.unlink(link)
os.symlink(os.path.relpath(root, os.path.realpath(os.path.dirname(link))), link)
PYTHON

stamp >"$venv/.stamp"
core=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("ansible-core"))')
say "ready: ansible-core $core on Python $version"
