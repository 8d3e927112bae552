// TAP as the scenarios program writes it: one line per scenario, "# failed: ..." below a failed one.
import { test } from 'node:test';

export function parseTap(text) {
  const results = [];
  for (const line of text.split('\n')) {
    const match = /^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/.exec(line);
    if (match) results.push({ ok: !match[1], name: match[2], skip: match[3], failure: '' });
    const failure = /^# failed: (.*)$/.exec(line);
    if (failure && results.length > 0) results.at(-1).failure = failure[1];
  }
  return { results, ended: /^1\.\.\d+$/m.test(text) };
}

// Each result becomes a test of this file, so that it is counted like any other; `prefix` begins
// its name. A program that ended before its plan line failed once more.
export function report(text, prefix, details = '') {
  const { results, ended } = parseTap(text);
  for (const { ok, name, skip, failure } of results) {
    test(`${prefix} ${name}`, { skip }, () => {
      if (!ok) throw new Error(failure);
    });
  }
  test(`${prefix} the list was run to its end`, () => {
    if (!ended || results.length === 0) throw new Error(`it ended early:\n${text.slice(-2000)}\n${details}`);
  });
}
