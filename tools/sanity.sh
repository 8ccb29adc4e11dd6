#!/usr/bin/env bash
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs ansible-test sanity, all its tests, on a copy of the checkout that lies where ansible-test wants it.
#
#   tools/sanity.sh VENV [ARGUMENT...]     for example: tools/sanity.sh .venv --test validate-modules
set -euo pipefail

venv=$(cd "${1:?usage: tools/sanity.sh VENV [ARGUMENT...]}" && pwd)
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$venv/bin:$PATH
# A locale that exists everywhere.
export LC_ALL=C.UTF-8

version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
parent=.cache/sanity-$version
mkdir -p "$parent"
if command -v flock >/dev/null; then
    exec 9>"$parent/lock"
    flock 9
fi

"$venv/bin/python" tools/prepare_ansible_test.py
tree=$("$venv/bin/python" tools/collection_tree.py "$parent")
cd "$tree"
"$venv/bin/ansible-test" sanity --python "$version" --color no "$@" </dev/null
echo "sanity: all tests passed on Python $version"
