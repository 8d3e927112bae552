# shellcheck shell=bash
# Shared by the scripts in this folder; sourced, never run.
# Everything here says what it does before it does it, and asks nothing.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# What the build needs, by Debian package.
BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config ccache git
  libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev
  libqpid-proton-cpp12-dev libqpid-proton11-dev libmosquitto-dev
  libsqlite3-dev libssl-dev libspdlog-dev libcli11-dev doctest-dev
)

# What the fuzzers need beside that.
FUZZ_PACKAGES=(clang-14 libclang-rt-14-dev)

# What scripts/fmt needs: this version, as another one formats otherwise.
FORMAT_PACKAGES=(clang-format-14)

# What scripts/lint needs: the same.
LINT_PACKAGES=(clang-14 clang-tidy-14)

# What the tests need beside that, as command:package. A command that is already there is good
# enough wherever it came from; Node above all is often installed by other means.
TEST_TOOLS=(
  node:nodejs npm:npm python3:python3 mosquitto_pub:mosquitto-clients curl:curl openssl:openssl
  ip:iproute2 unshare:util-linux setcap:libcap2-bin mosquitto:mosquitto gcovr:gcovr
  tshark:tshark
)
# ... and what is no command: the root certificates npm needs, Python with Proton and Paho.
TEST_PACKAGES=(ca-certificates python3-venv python3-qpid-proton python3-paho-mqtt)

# What scripts/soak needs for the image.
IMAGE_TOOLS=(buildah:buildah debootstrap:debootstrap curl:curl ip:iproute2 unshare:util-linux)

# What scripts/run needs beside the build.
RUN_TOOLS=(jq:jq)

# What bench/compare needs beside the build.
BENCH_TOOLS=(mosquitto:mosquitto python3:python3 openssl:openssl taskset:util-linux)
BENCH_PACKAGES=(libqpid-proton11-dev-examples)
# Those that it compares with: Java, Erlang and npm's among them.
PEER_TOOLS=(rabbitmq-server:rabbitmq-server nats-server:nats-server nginx:nginx-light npm:npm java:default-jre-headless)
PEER_PACKAGES=(activemq libmqtt-client-java)

# compose WORDS...: Docker Compose, as the plugin of today or as the program that Debian 12 has.
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# missing_packages SET...: the packages that `build`, `fuzz`, `format`, `lint`, `image`, `run`, `test`, `bench` or `peers` still lack, one a line.
missing_packages() {
  local set tool package tools packages
  for set in "$@"; do
    tools=() packages=()
    case $set in
      build) packages=("${BUILD_PACKAGES[@]}") ;;
      fuzz) packages=("${FUZZ_PACKAGES[@]}") ;;
      format) packages=("${FORMAT_PACKAGES[@]}") ;;
      lint) packages=("${LINT_PACKAGES[@]}") ;;
      image) tools=("${IMAGE_TOOLS[@]}") ;;
      run) tools=("${RUN_TOOLS[@]}") ;;
      test)
        tools=("${TEST_TOOLS[@]}") packages=("${TEST_PACKAGES[@]}" "${FORMAT_PACKAGES[@]}" "${LINT_PACKAGES[@]}")
        compose version >/dev/null 2>&1 || packages+=(docker-compose)
        ;;
      bench) tools=("${BENCH_TOOLS[@]}") packages=("${BENCH_PACKAGES[@]}") ;;
      peers) tools=("${PEER_TOOLS[@]}") packages=("${PEER_PACKAGES[@]}") ;;
      *) die "unknown set of packages: $set (build, fuzz, format, lint, image, run, test, bench, peers)" ;;
    esac
    for tool in "${tools[@]}"; do
      command -v "${tool%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${tool%%:*}" ] || printf '%s\n' "${tool#*:}"
    done
    for package in "${packages[@]}"; do
      installed "$package" || printf '%s\n' "$package"
    done
  done
}

# install_missing SET...: does nothing, apt-get update included, when nothing is missing.
install_missing() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "No apt on this machine: nothing is installed, what is needed must be there already."
    return 0
  fi
  local missing command as_root=()
  missing=$(missing_packages "$@" | sort -u | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  command="apt-get install --no-install-recommends $missing"
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null; then
      as_root=(sudo)
      command="sudo $command"
    else
      die "not root and no sudo; packages are missing, install them as root with: $command"
    fi
  fi
  step "Installing what is missing: $command"
  # The lists may be refreshed only in part (one mirror of several is down), so the install decides.
  local options=(-y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300) refreshed=yes
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" \
    -o APT::Update::Error-Mode=any update || refreshed=no
  # The brokers come with services, which nobody asked for. RUNLEVEL keeps them from being started
  # where there is no systemd; where there is, they are stopped.
  # shellcheck disable=SC2086  # a list of package names
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get "${options[@]}" \
    install --no-install-recommends $missing >/dev/null; then
    if [ $refreshed = no ]; then
      die "apt-get cannot reach its servers and these packages are missing: $missing(go online, then run this again)"
    fi
    die "apt-get could not install: $missing"
  fi
  [ -d /run/systemd/system ] || return 0
  local service
  for service in mosquitto rabbitmq-server nats-server nginx activemq; do
    case " $missing" in
      *" $service"[\ -]*) "${as_root[@]}" systemctl disable --quiet --now "$service" ;;
    esac
  done
}

# As many compilers as cores, but not more than memory allows: one of ours takes up to 1.5 GB.
job_count() {
  local cores mb fit
  cores=$(nproc)
  mb=$(awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
  fit=$((mb / 1500))
  [ "$fit" -ge 1 ] || fit=1
  if [ -n "${JOBS:-}" ]; then say "$JOBS"; elif [ "$fit" -lt "$cores" ]; then say "$fit"; else say "$cores"; fi
}

# build_preset PRESET [-DNAME=VALUE...] [TARGET...]
build_preset() {
  local preset=$1 log options=()
  shift
  while [[ ${1:-} == -D* ]]; do
    options+=("$1")
    shift
  done
  (
    cd "$ROOT"
    log=build/$preset.configure.log
    mkdir -p build
    cmake --preset "$preset" ${options[@]+"${options[@]}"} >"$log" 2>&1 || {
      cat "$log" >&2
      exit 1
    }
    cmake --build --preset "$preset" -j "$(job_count)" ${1:+--target "$@"}
  )
}
