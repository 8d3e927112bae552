# shellcheck shell=bash
# The long form of the kills; sourced by scripts/soak, after lib.sh.
#
# SOAK_PRESET=release (default) or dev (ASan, UBSan); SOAK_FIRST_SEED: a seed to begin with, else the time of day.

# soak_durability MINUTES: kill -9 under load from all protocols. What is found prints its seed, and the folder stays.
soak_durability() {
  local preset=${SOAK_PRESET:-release} seed=${SOAK_FIRST_SEED:-$(date +%s)} log work status=0
  log=$(mktemp "${TMPDIR:-/tmp}/iothub-soak.XXXXXX")
  work=$(mktemp -d "${TMPDIR:-/tmp}/iothub-durability.XXXXXX")
  build_preset "$preset" durability iothub-emulator >"$log" 2>&1 || {
    cat "$log"
    die "the $preset preset does not build"
  }
  "build/$preset/durability" --emulator "build/$preset/iothub-emulator" --work "$work" \
    --minutes "$1" --seed "$seed" >"$log" 2>&1 || status=1
  step "Durability, $1 minutes, $preset"
  grep -v '^# round ' "$log"
  [ $status = 0 ] || say "What the last kill left is in $work"
  rm -f "$log"
  return $status
}
