#!/usr/bin/env bash
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs every linter, all of them even when one fails, and says which failed.
#
#   tools/lint.sh VENV
set -uo pipefail

venv=$(cd "${1:?usage: tools/lint.sh VENV}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
root=$PWD
export PATH=$venv/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$venv/collections
failed=()

check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        printf 'ok  %s\n' "$name"
    else
        printf -- '--- %s\n%s\n' "$name" "$output"
        failed+=("$name")
    fi
}

shell_scripts() {
    git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 shellcheck
}

# The documentation linter copies the whole folder it runs in, so it gets a copy without environments and caches.
documentation() {
    local tree
    tree=$("$venv/bin/python" tools/collection_tree.py "$root/.cache/lint") || return
    cd "$tree" && antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs \
        --validate-collection-refs self .
}

changelog() {
    antsibull-changelog lint && antsibull-changelog lint-changelog-yaml --strict changelogs/changelog.yaml
}

check "ruff check" ruff check --quiet .
check "ruff format" ruff format --check --quiet --diff .
check "structure" "$venv/bin/python" tests/checks/structure.py
check "yamllint" yamllint --strict .
check "shellcheck" shell_scripts
check "changelog" changelog
check "documentation" documentation
check "ansible-lint" ansible-lint --nocolor -q --offline --profile production --strict

if ((${#failed[@]})); then
    (IFS=, && printf 'lint: failed: %s\n' "${failed[*]}")
    exit 1
fi
echo "lint: all linters passed"
