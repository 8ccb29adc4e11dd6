#!/usr/bin/env bash
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs a command where it can reach the test cluster.
#
#   tools/on-cluster.sh "TIER..." COMMAND...
#
# That is inside the lab, brought up with these tiers; or, when CANARY_TEST_KUBECONFIG names a cluster, right here.
set -euo pipefail

tiers=${1:?usage: tools/on-cluster.sh "TIER..." COMMAND...}
shift
lab=$(dirname "${BASH_SOURCE[0]}")/../tests/lab/lab

if [[ -n ${CANARY_TEST_KUBECONFIG:-} ]]; then
    echo "==> on the cluster of CANARY_TEST_KUBECONFIG, not in the lab" >&2
    exec env KUBECONFIG="$CANARY_TEST_KUBECONFIG" "$@"
fi
read -ra wanted <<<"$tiers"
"$lab" up "${wanted[@]}" </dev/null
exec "$lab" exec -- "$@"
