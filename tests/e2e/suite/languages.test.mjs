// The official SDKs of other languages: registry over HTTPS, cloud-to-device from AMQP to MQTT, and
// their trust as the README's table has it. One that its registry does not give (sdks/fetch) is skipped,
// unless E2E_LANGUAGES asks for it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Emulator, HUB, PATIENCE, WORK } from '../lib/emulator.mjs';
import { CA, run } from '../lib/tools.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SDKS = path.join(ROOT, 'tests', 'e2e', 'sdks');
const README = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
const trust = (stack) => [...new RegExp(`^\\| ${stack} \\| (.*) \\|$`, 'm').exec(README)[1].matchAll(/`(.*?)`/g)]
  .map(([, command]) => command);
const shell = (command) => run('bash', ['-euc', command], { cwd: WORK, env: { ...process.env, CA } });

let emulator;
before(async () => { emulator = await Emulator.start(); });
after(() => emulator.stop());

function languageTest(id, language, play) {
  const gap = process.env[`E2E_${language.toUpperCase()}_GAP`];
  const required = (process.env.E2E_LANGUAGES ?? '').split(' ').includes(language.toLowerCase());
  const options = { timeout: 60_000 * PATIENCE, skip: gap && !required ? `${language}: ${gap}` : false };
  test(`${id} the official SDK for ${language}, trusting as the README says`, options, async () => {
    assert.equal(gap, '');
    const { code, output } = await play();
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`^received m1 from ${language} storm$`, 'm'));
  });
}

languageTest('PKG-04', 'Python', () => {
  const [variables] = trust('Python');
  return shell(`${variables}; ${SDKS}/.cache/python/bin/python ${SDKS}/python/tutorial.py '${HUB}'`);
});

// With a dot in the host name, which this SDK asks for.
languageTest('PKG-05', 'Java', () => {
  const [keytool, java] = trust('Java');
  const dotted = HUB.replace('localhost', '127.0.0.1');
  return shell(`${keytool}; ${java} -cp '${SDKS}/.cache/java/*' ${SDKS}/java/Tutorial.java '${dotted}'`);
});
