# shellcheck shell=bash
# The long form of the simulation and the model; sourced by scripts/soak, after lib.sh.
#
# SOAK_PRESET=dev (ASan, UBSan) or release; SOAK_FIRST_SEED: where the seeds begin, else the time of day.

# soak_simulation MINUTES: both with fresh seeds, turn by turn. A failure prints the seed that replays it.
soak_simulation() {
  local preset=${SOAK_PRESET:-dev} log until seed=${SOAK_FIRST_SEED:-$(date +%s)}
  local round_steps=500000 round_seeds=250 model_seeds=200 # 2000 steps a seed there, 400 here
  local seeds=0 steps=0 failures=0
  log=$(mktemp "${TMPDIR:-/tmp}/iothub-soak.XXXXXX")
  build_preset "$preset" simulation_tests core_tests >"$log" 2>&1 || {
    cat "$log"
    die "the $preset preset does not build"
  }
  until=$((SECONDS + $1 * 60))
  while [ "$SECONDS" -lt "$until" ]; do
    SIM_FIRST_SEED=$seed SIM_STEPS=$round_steps "build/$preset/simulation_tests" -tc='SIM-01*' >"$log" 2>&1 ||
      show_failure simulation_tests "$log"
    HUB_FIRST_SEED=$seed HUB_ROUNDS=$model_seeds "build/$preset/core_tests" -tc='MOD-01*' >"$log" 2>&1 ||
      show_failure core_tests "$log"
    steps=$((steps + round_steps + model_seeds * 400))
    seeds=$((seeds + round_seeds + model_seeds))
    seed=$((seed + round_seeds))
  done
  rm -f "$log"
  step "Simulation and model, $1 minutes, $preset"
  say "$seeds seeds, $steps steps, $failures failures"
  [ "$failures" = 0 ] && [ "$steps" -gt 0 ]
}

# show_failure PROGRAM LOG
show_failure() {
  failures=$((failures + 1))
  grep -a -A 90 -m 1 -E 'SEED=|ERROR' "$2" || tail -n 100 "$2"
  say "soak: $1 has failed"
}
