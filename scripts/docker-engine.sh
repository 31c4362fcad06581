#!/usr/bin/env bash
# Runs a command with a Docker engine: scripts/docker-engine.sh COMMAND [ARGUMENT...]
#
# An engine that answers is used as it is. Where there is none, one is started with a socket and data of its
# own, and is stopped when the command has ended; as root on Debian and Ubuntu, the distribution's package
# docker.io is installed first if need be.
set -euo pipefail

say() { echo "docker-engine: $*" >&2; }
answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

if answers; then
  exec "$@"
fi

if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "no Docker engine answers, and none can be installed here: start one and try again"
    exit 1
  fi
  say "installing docker.io"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >/dev/null || say "apt's lists could not be renewed, trying with the old ones"
  apt-get -q install -y --no-install-recommends docker.io >/dev/null
  # Newer releases have the client in a package of its own.
  command -v docker >/dev/null || apt-get -q install -y --no-install-recommends docker-cli >/dev/null
  # Elsewhere than in a container, the package starts its engine itself.
  if answers; then
    exec "$@"
  fi
fi
if [ "$(id -u)" != 0 ]; then
  say "no Docker engine answers, and only root can start one: start it and try again"
  exit 1
fi

home=$(mktemp -d "${TMPDIR:-/tmp}/leasehold-engine-XXXXXX")
had_bridge=$([ -e /sys/class/net/docker0 ] && echo yes || echo no)
engine=

stop_engine() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    # It ends its containers and its own containerd first.
    wait "$engine" 2>/dev/null || true
  fi
  if [ "$had_bridge" = no ] && command -v ip >/dev/null; then
    ip link delete docker0 2>/dev/null || true
  fi
  rm -rf -- "$home"
}
trap stop_engine EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export DOCKER_HOST="unix://$home/docker.sock"

# Ports are published by the engine's own proxy, so the machine's firewall and forwarding stay untouched. The
# containers then have no way out: a name server that refuses spares them the waiting for one that can't answer.
start_engine() {
  dockerd --host "$DOCKER_HOST" --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/pid" \
    --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --dns 127.0.0.1 "$@" >"$home/log" 2>&1 &
  engine=$!
  for _ in $(seq 150); do
    if answers; then return 0; fi
    if ! kill -0 "$engine" 2>/dev/null; then break; fi
    sleep 0.2
  done
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  engine=
  return 1
}

# Not every file system can carry the default storage driver; vfs runs everywhere.
if ! start_engine && ! start_engine --storage-driver=vfs; then
  say "dockerd does not start; the end of its log:"
  tail -n 15 "$home/log" >&2
  exit 1
fi
say "started dockerd $(docker version --format '{{.Server.Version}}') with process id $engine"

# Not exec: the traps above must still run. In the background with wait, so that they run at once.
"$@" &
command=$!
trap 'kill -TERM "$command" 2>/dev/null || true; wait "$command" || true; exit 130' INT
trap 'kill -TERM "$command" 2>/dev/null || true; wait "$command" || true; exit 143' TERM
status=0
wait "$command" || status=$?
exit "$status"
