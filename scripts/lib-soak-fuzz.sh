# shellcheck shell=bash
# The fuzzers' part of scripts/soak; sourced.

# fuzz_one MINUTES TARGET: one fuzzer, for so many minutes of CPU time, since on a busy machine those on
# the wall say little. What it learns stays in build/soak for the next time.
fuzz_one() {
  local minutes=$1 target=$2 work=$ROOT/build/soak/$2 own=$ROOT/tests/fuzz status=0 spent=0 rest
  local options=(-rss_limit_mb=2048 -timeout=60 -print_final_stats=1 "-artifact_prefix=$work/found/") seeds=()
  mkdir -p "$work/corpus" "$work/found"
  : >"$work/log"
  [ ! -f "$own/dictionaries/$target.dict" ] || options+=("-dict=$own/dictionaries/$target.dict")
  [ ! -d "$own/corpus/$target" ] || seeds+=("$own/corpus/$target")
  [ ! -d "$own/crashes/$target" ] || seeds+=("$own/crashes/$target")
  local TIMEFORMAT=%U
  while [ $status = 0 ] && [ "$spent" -lt $((minutes * 60)) ]; do
    rest=$((minutes * 60 - spent))
    { time UBSAN_OPTIONS=print_stacktrace=1 "$ROOT/build/fuzz/fuzz_$target" "${options[@]}" \
      -max_total_time=$((rest < 600 ? rest : 600)) \
      "$work/corpus" ${seeds[@]+"${seeds[@]}"} >>"$work/log" 2>&1; } 2>"$work/time" || status=$?
    spent=$((spent + 1 + $(cut -d. -f1 "$work/time")))
  done
  echo "$spent" >"$work/spent"
  echo "$status" >"$work/status"
}

# soak_fuzz MINUTES [TARGET...]: every target for so many minutes, as many at a time as there are
# cores (JOBS). Fails when one has a finding.
soak_fuzz() {
  local minutes=$1 failed=0 target work started=$SECONDS
  shift
  install_missing build fuzz
  step "Building the fuzz preset"
  build_preset fuzz
  local targets=("$@")
  if [ ${#targets[@]} = 0 ]; then
    for target in "$ROOT"/tests/fuzz/*.cpp; do targets+=("$(basename "$target" .cpp)"); done
  fi
  for target in "${targets[@]}"; do
    [ -x "$ROOT/build/fuzz/fuzz_$target" ] || die "there is no target $target in tests/fuzz"
    rm -rf "$ROOT/build/soak/$target/status" "$ROOT/build/soak/$target/found"
  done
  step "Fuzzing ${#targets[@]} targets, $minutes minutes of CPU time each"
  export ROOT
  export -f fuzz_one
  printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-$(nproc)}" -I '{}' bash -c "fuzz_one $minutes {}"

  printf '%-16s %12s %10s %8s  %s\n' target executions "CPU s" covered finding
  for target in "${targets[@]}"; do
    work=$ROOT/build/soak/$target
    local executions covered finding=none
    executions=$(awk '/^stat::number_of_executed_units:/ { n += $2 } END { print n }' "$work/log")
    covered=$(grep -a -o ' cov: [0-9]*' "$work/log" | tail -n 1 | tr -dc 0-9 || true)
    if [ "$(cat "$work/status" 2>/dev/null)" != 0 ]; then
      failed=$((failed + 1))
      finding=$(grep -a -m 1 -E '^iothub-emulator: broken|ERROR: |runtime error:' "$work/log" || echo "see $work/log")
    fi
    printf '%-16s %12s %10s %8s  %s\n' "$target" "$executions" "$(cat "$work/spent")" "${covered:-?}" "$finding"
    [ "$finding" = none ] || find "$work/found" -type f -printf '                 %p\n'
  done
  say "fuzz: ${#targets[@]} targets, $minutes minutes of CPU time each, $failed with a finding, $((SECONDS - started)) s in all"
  [ $failed = 0 ]
}
