#!/usr/bin/env bash
# Runs the tests on other Node versions than the one that is installed: 22, 24 and 26, or those that are given, each from the
# npm package `node`. What comes after the versions goes to the test runner.
#
#     npm run other-nodes                   all tests on all of them
#     npm run other-nodes 24 server/src     some tests on one
#
# The exit code is 0 only if all of them passed on all of them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

versions=()
while [[ "${1:-}" =~ ^[0-9][0-9.]*$ ]]; do
  versions+=("$1")
  shift
done
[ ${#versions[@]} -gt 0 ] || versions=(22 24 26)

status=0
for version in "${versions[@]}"; do
  node="$(npx --yes --package "node@$version" which node)" || { echo "node@$version cannot be had"; exit 1; }
  echo "node $("$node" --version)"
  # Programs that the tests start by name find the same Node.
  PATH="$(dirname "$node"):$PATH" "$node" node_modules/vitest/vitest.mjs run "$@" || status=1
done
exit $status
