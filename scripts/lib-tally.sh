# shellcheck shell=bash
# Counting tests; sourced by scripts/test.
passed=0 failed=0 skipped=0

# add PASSED FAILED SKIPPED
add() {
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# doctest_counts LOG STATUS: "passed failed skipped" of doctest's last summary line. A program that
# died has none, and one that ended badly after its last test (a leak, say) has no failed test: each
# is one failure more.
doctest_counts() {
  local line counts
  line=$(grep -a '^\[doctest\] test cases:' "$1" | tail -n 1 || true)
  counts=$(sed -n 's/^.*: *[0-9]* | *\([0-9]*\) passed | *\([0-9]*\) failed | *\([0-9]*\) skipped.*$/\1 \2 \3/p' <<<"$line")
  if [ -z "$counts" ]; then
    counts=$(sed -n 's/^.*: *[0-9]* | *\([0-9]*\) passed | *\([0-9]*\) failed *|\{0,1\}.*$/\1 \2 0/p' <<<"$line")
  fi
  # shellcheck disable=SC2086  # three numbers
  set -- "$2" ${counts:-0 0 0}
  if [ "$1" != 0 ] && [ "$3" = 0 ]; then
    printf '%s %s %s\n' "$2" 1 "$4"
  else
    printf '%s %s %s\n' "$2" "$3" "$4"
  fi
}
