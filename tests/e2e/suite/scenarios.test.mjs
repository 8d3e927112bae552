// The scenario list of tests/e2e/scenarios over all five transports: against the emulator here, and
// against the real hub in tests/e2e/run before this namespace was made, where there is a network.
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { BINARIES, CONTROL_PORT, Emulator, HUB, PATIENCE, WORK } from '../lib/emulator.mjs';
import { report } from '../lib/tap.mjs';
import { CA, run } from '../lib/tools.mjs';

// Settings that the real hub has as well, only shorter.
const emulator = await Emulator.start('--set', 'cloudToDevice.maxDeliveryCount=3');
const { code, output } = await run(path.join(BINARIES, 'scenarios'), [
  '--connection-string', HUB, '--ca', CA, '--control-port', String(CONTROL_PORT),
  '--patience', String(PATIENCE), '--cuts', PATIENCE > 1 ? '12' : '24',
]);
// Kept with the logs: the seed stands in its first lines.
fs.writeFileSync(path.join(WORK, 'scenarios.output.log'), output);
await emulator.stop();
report(output, 'emulator,', `exit ${code}`);

if (process.env.E2E_REAL_TAP) {
  report(fs.readFileSync(process.env.E2E_REAL_TAP, 'utf8'), 'real hub,');
} else {
  test('real hub, the scenario list', { skip: 'IOTHUB_REAL_CONNECTION_STRING is not set, or this is not the release build' },
    () => {});
}
