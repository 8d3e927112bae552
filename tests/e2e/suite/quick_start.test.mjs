// The first minutes of a new user, who is no root: the README as it stands there, and port 443.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BINARIES, Emulator, PATIENCE, WORK } from '../lib/emulator.mjs';
import { impossible, OrdinaryUser } from '../lib/ordinary_user.mjs';
import { CA, Tool } from '../lib/tools.mjs';

const SUITE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.join(SUITE, '..', '..', '..');
const README = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
const options = { timeout: 60_000 * PATIENCE, skip: impossible };

test('PKG-03 the quick start as it stands in the README, by an ordinary user, and once more', options, async () => {
  const [, seed] = /^build\/release\/iothub-emulator --seed (\S+)$/m.exec(README);
  const [, program] = /```js\n(.*?)```/s.exec(README);
  const [, ca] = /NODE_EXTRA_CA_CERTS=~\/(\S+)/.exec(README);
  const user = new OrdinaryUser();
  try {
    fs.mkdirSync(path.join(user.home, path.dirname(seed)));
    fs.copyFileSync(path.join(ROOT, seed), path.join(user.home, seed));
    const emulator = await user.start(['--seed', seed]);
    assert.equal(emulator.ready.ports.https, 8443); // N-14
    for (const time of ['first', 'second']) {
      const node = new Tool(process.execPath, ['--input-type=module', '-e', program],
        { cwd: SUITE, env: { ...process.env, NODE_EXTRA_CA_CERTS: path.join(user.home, ca) } });
      await node.shows('got Cloud to device message.').catch((error) => assert.fail(`the ${time} time: ${error.message}`));
      await node.stop();
    }
    assert.equal(emulator.output.match(/ warn .*443/g).length, 1, emulator.output);
  } finally {
    await user.leave();
  }
});

test('PKG-03 the hub takes the seed file that the README shows', { timeout: 30_000 }, async () => {
  const file = path.join(WORK, 'readme-seed.json');
  fs.writeFileSync(file, /```json\n(.*?)```/s.exec(README)[1]);
  const emulator = await Emulator.start('--seed', file);
  await emulator.stop();
  assert.ok(emulator.ready.connectionStrings.devices.dev1);
});

test('PKG-03 the commands of the two clients, as the README has them', { timeout: 60_000 * PATIENCE }, async () => {
  const [, block] = /## The two clients\n.*?```sh\n(.*?)```/s.exec(README);
  const lines = block.replaceAll('build/release', BINARIES).replace(/(?<=SSL_CERT_FILE=)\S+/, CA).trim().split('\n');
  const [exports, commands] = [lines.filter((line) => line.startsWith('export')), lines.filter((line) => !line.startsWith('export'))];
  const shell = (command) => new Tool('bash', ['-euc', [...exports, `exec ${command}`].join('\n')]);
  const emulator = await Emulator.start('--seed', path.join(ROOT, 'examples', 'quick-start.json'));
  const device = shell(commands[0]);
  try {
    await device.shows('telemetry sent');
    for (const command of commands.slice(1)) {
      const { code, output } = await shell(command).exited;
      assert.equal(code, 0, `${command}\n${output}`);
    }
    await device.shows('body=Hello');
  } finally {
    await device.stop();
    await emulator.stop();
  }
});

for (const [what, rights, port] of [
  ['is on 443 for an ordinary user', [], 443],
  ['starts where the capability is dropped', ['--bounding-set=-net_bind_service'], 8443],
]) {
  test(`PKG-02 with setcap cap_net_bind_service=+p the hub ${what}`, options, async (t) => {
    const user = new OrdinaryUser({ capability: 'cap_net_bind_service=+p' });
    try {
      if (execFileSync('findmnt', ['-no', 'OPTIONS', '--target', user.home]).includes('nosuid')) {
        return t.skip(`${user.home} is on a file system without capabilities`);
      }
      const emulator = await user.start([], rights);
      assert.equal(emulator.ready.ports.https, port);
    } finally {
      await user.leave();
    }
  });
}
