// The counts node:test prints at the end of its TAP stream; a file that died before counts as failed.
export function tally(tap, exitCode) {
  const count = (name) => {
    const match = new RegExp(`^# ${name} (\\d+)`, 'm').exec(tap);
    return match ? Number(match[1]) : undefined;
  };
  if (count('pass') === undefined) {
    const passed = (tap.match(/^ok /gm) ?? []).length;
    const failed = (tap.match(/^not ok /gm) ?? []).length;
    return { passed, failed: failed + 1, skipped: 0, died: true };
  }
  const counts = {
    passed: count('pass'), failed: count('fail') + (count('cancelled') ?? 0),
    skipped: (count('skipped') ?? 0) + (count('todo') ?? 0), died: false,
  };
  // Something after the last test went wrong: an exception nobody caught, say.
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
