// Runs the suite: one process and fresh emulators for each file, one file at a time (the ports are
// the real ones, and feedback belongs to the whole hub). Usage: main.mjs [part of a file's name...]
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Emulator, WORK } from './emulator.mjs';
import { tally } from './tally.mjs';

const SUITE = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'suite');
const FILE_LIMIT_MS = 240_000 * Number(process.env.E2E_PATIENCE ?? '1');
const wanted = process.argv.slice(2);
const files = fs.readdirSync(SUITE)
  .filter((file) => file.endsWith('.test.mjs'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();

const total = { passed: 0, failed: 0, skipped: 0 };
const failures = []; // said once more at the end: the log above is long

// The certificates are made on first start and kept; Node reads its extra CA once, at its own start.
async function firstStart() {
  const emulator = await Emulator.start();
  const ca = await caFile(emulator.ready);
  console.log(`first start: ready after ${emulator.readyMs.toFixed(0)} ms, certificates made`);
  await emulator.stop();
  return ca;
}

async function caFile(ready) {
  const found = Object.entries(ready).find(([key, value]) => /ca/i.test(key) && typeof value === 'string' && fs.existsSync(value));
  if (!found) throw new Error(`no CA path in the ready file: ${JSON.stringify(ready)}`);
  return found[1];
}

async function runFile(file, ca) {
  const name = file.replace('.test.mjs', '');
  const tapFile = path.join(WORK, `${name}.tap`);
  const child = spawn(
    process.execPath,
    ['--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap',
      `--test-reporter-destination=${tapFile}`, path.join(SUITE, file)],
    { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NODE_EXTRA_CA_CERTS: ca, E2E_CA: ca, E2E_FILE: name } });
  const limit = setTimeout(() => {
    console.log(`${name}: still running after ${FILE_LIMIT_MS / 1000} s, ended`);
    child.kill('SIGKILL');
  }, FILE_LIMIT_MS);
  const code = await new Promise((resolve) => child.on('exit', resolve));
  clearTimeout(limit);
  const tap = fs.existsSync(tapFile) ? fs.readFileSync(tapFile, 'utf8') : '';
  const counts = tally(tap, code);
  for (const [, test] of tap.matchAll(/^ *not ok \d+ - (.*)/gm)) failures.push(`${file}: ${test}`);
  if (counts.died) failures.push(`${file}: ended before its last test (exit ${code})`);
  counts.failed += sanitizerReports(name);
  return counts;
}

// A sanitizer's report in any log of this file is a failure, whatever the tests say.
function sanitizerReports(name) {
  let reports = 0;
  for (const file of fs.readdirSync(WORK)) {
    if (!file.startsWith(`${name}.`) || !file.endsWith('.log')) continue;
    const log = fs.readFileSync(path.join(WORK, file), 'utf8');
    const found = /(ERROR: \w+Sanitizer|runtime error:)[\s\S]{0,3000}/.exec(log);
    if (found) {
      ++reports;
      console.log(`${file}: ${found[0]}`);
      failures.push(`${file}: a sanitizer's report`);
    }
  }
  return reports;
}

let ca;
try {
  ca = await firstStart();
} catch (error) {
  console.log(String(error.message ?? error));
  report({ passed: 0, failed: 1, skipped: 0 });
  process.exit(1);
}
for (const file of files) {
  const before = performance.now();
  console.log(`\n-- ${file}`);
  const counts = await runFile(file, ca);
  for (const key of Object.keys(total)) total[key] += counts[key];
  console.log(`-- ${file}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ` +
    `${((performance.now() - before) / 1000).toFixed(1)} s`);
}
report(total);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function report({ passed, failed, skipped }) {
  for (const failure of failures) console.log(`failed: ${failure}`);
  console.log(`\ne2e: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (process.env.E2E_RESULT) fs.writeFileSync(process.env.E2E_RESULT, `${passed} ${failed} ${skipped}\n`);
}
