#!/usr/bin/env bash
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs a command where it can reach two clusters in one network.
#
#   tools/on-two-clusters.sh "TIER..." COMMAND...
#
# That is inside the lab, brought up with these tiers, with a second one beside it that is taken down in the end; or, when
# CANARY_TEST_KUBECONFIG and CANARY_TEST_KUBECONFIG_BESIDE name two clusters, right here.
set -euo pipefail

tiers=${1:?usage: tools/on-two-clusters.sh "TIER..." COMMAND...}
shift
tools=$(dirname "${BASH_SOURCE[0]}")
lab=$tools/../tests/lab/lab

if [[ -z ${CANARY_TEST_KUBECONFIG_BESIDE:-} ]]; then
    read -ra wanted <<<"$tiers"
    "$lab" up "${wanted[@]}" </dev/null
    trap '"$lab" --name b down </dev/null' EXIT
    "$lab" --name b up core --beside lab </dev/null
fi
"$tools/on-cluster.sh" "$tiers" "$@"
