// The short form of `scripts/soak durability`: kill -9 under load from all protocols, and at each write
// of a first start (ST-10, ST-11; tests/durability).
import fs from 'node:fs';
import path from 'node:path';

import { BINARIES, PATIENCE, WORK } from '../lib/emulator.mjs';
import { report } from '../lib/tap.mjs';
import { run } from '../lib/tools.mjs';

const { code, output } = await run(path.join(BINARIES, 'durability'), [
  '--emulator', path.join(BINARIES, 'iothub-emulator'), '--work', path.join(WORK, 'kills'),
  '--rounds', PATIENCE > 1 ? '8' : '12', '--first-start-step', PATIENCE > 1 ? '5' : '2',
]);
// Kept with the logs: the seed stands in its first lines.
fs.writeFileSync(path.join(WORK, 'kills.output.log'), output);
report(output, 'emulator,', `exit ${code}`);
