#!/usr/bin/env bash
# Runs the tests that use real servers against containers: scripts/test-containers.sh [VITEST ARGUMENT...]
#
# Starts a Docker engine where none answers (see docker-engine.sh), and builds local images where the public ones
# can't be pulled (see container-images.ts).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" != --with-engine ]; then
  exec bash scripts/docker-engine.sh bash scripts/test-containers.sh --with-engine "$@"
fi
shift

# Into a variable first: a failure inside eval's argument would go unnoticed.
variables=$(npx node scripts/container-images.ts)
eval "$variables"

export LEASEHOLD_TEST_CONTAINERS=1
export LEASEHOLD_TEST_RUN=$$
# What an interrupted run leaves, where testcontainers' own cleaner does not work.
remove_containers() {
  docker ps --all --quiet --filter "label=leasehold.test.run=$LEASEHOLD_TEST_RUN" |
    xargs -r docker rm --force --volumes >/dev/null
}
trap remove_containers EXIT

# Not mapfile: the bash of macOS does not have it.
files=()
while IFS= read -r file; do files+=("$file"); done < <(npx node scripts/integration-tests.ts)
if [ "${#files[@]}" = 0 ]; then
  echo "test-containers: no test uses the servers" >&2
  exit 1
fi
npx vitest run "${files[@]}" "$@"
