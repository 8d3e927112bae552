// The project's own clients play the tutorial: what `scripts/run --once` does on a user's machine.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BINARIES, WORK } from '../lib/emulator.mjs';
import { run } from '../lib/tools.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'scripts', 'run');
const complete = ['iothub-device', 'iothub-service'].every((name) => fs.existsSync(path.join(BINARIES, name)));

for (const transport of ['mqtt', 'amqp']) {
  test(`scripts/run --once over ${transport}`, { timeout: 120_000 }, async () => {
    assert.ok(complete, `iothub-device and iothub-service are not in ${BINARIES}`);
    const { code, output } = await run(script, [
      '--once', '--transport', transport, '--tls-dir', path.join(WORK, 'tls'), '--set', 'feedback.window=PT0.1S',
    ], { env: { ...process.env, HUB_BIN: BINARIES } });
    assert.equal(code, 0, output);
    assert.match(output, /Every step of the tutorial was seen/);
  });
}

test('scripts/run --once on other ports than the standard ones', { timeout: 120_000 }, async () => {
  assert.ok(complete, `iothub-device and iothub-service are not in ${BINARIES}`);
  const { code, output } = await run(script, [
    '--once', '--mqtts-port', '0', '--amqps-port', '0', '--https-port', '0', '--control-port', '0',
    '--tls-dir', path.join(WORK, 'tls'), '--set', 'feedback.window=PT0.1S',
  ], { env: { ...process.env, HUB_BIN: BINARIES } });
  assert.equal(code, 0, output);
});
