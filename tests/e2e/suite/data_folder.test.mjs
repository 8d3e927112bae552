// --data DIR and what goes wrong with it: a full disk, no permission, damage, a newer database, a second
// process. A clear line, exit 1, and nothing that was there before is damaged.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, test } from 'node:test';

import { BINARIES, Emulator, WORK } from '../lib/emulator.mjs';
import { request } from '../lib/https.mjs';
import { ownerToken } from '../lib/sas.mjs';
import { BackEnd, createDevice, Device, registry } from '../lib/sdk.mjs';
import { run } from '../lib/tools.mjs';

const options = { timeout: 120_000 };
const mounts = { ...options, skip: process.env.E2E_MOUNTS === 'yes' ? false : 'this system allows no mount namespace' };
let emulator;
let count = 0;
const mounted = [];
const freshFolder = () => fs.mkdtempSync(path.join(WORK, `folder-${++count}-`));
afterEach(async () => { await emulator?.kill9(); });
after(() => mounted.reverse().forEach((point) => execFileSync('umount', ['-l', point])));

function mount(point, ...args) {
  execFileSync('mount', [...args, point]);
  mounted.push(point);
}

function sql(data, statement) {
  const program = 'import sqlite3,sys; c=sqlite3.connect(sys.argv[1], isolation_level=None); '
    + 'print("\\n".join(str(r[0]) for r in c.execute(sys.argv[2])))';
  return execFileSync('python3', ['-c', program, path.join(data, 'hub.db'), statement]).toString().trim();
}

const isWhole = (data) => assert.equal(sql(data, 'PRAGMA integrity_check'), 'ok');

// A start that has to fail: its last line.
async function refusedStart(data) {
  const ports = ['mqtts', 'amqps', 'https', 'control'].flatMap((name) => [`--${name}-port`, '0']);
  const { code, output } = await run(path.join(BINARIES, 'iothub-emulator'),
    ['--data', data, '--tls-dir', path.join(WORK, 'tls'), ...ports]);
  assert.equal(code, 1, output);
  return output.trim().split('\n').at(-1);
}

// A folder with a device and messages in its queue, as kill -9 leaves it: most of it is in the log.
async function killedFolder(data = freshFolder(), messages = 3) {
  emulator = await Emulator.start('--data', data);
  const identity = await createDevice('folder');
  const backEnd = await BackEnd.open({ feedback: false });
  for (let i = 0; i < messages; ++i) await backEnd.send(identity.deviceId, `body ${i}`, { messageId: `m${i}`, ack: 'full' });
  await emulator.kill9();
  await backEnd.close();
  return { data, identity };
}

// What changes when a file that is there and not empty is changed.
const digests = (data) => ['hub.db', 'hub.db-wal']
  .map((file) => path.join(data, file))
  .filter((file) => fs.existsSync(file) && fs.statSync(file).size > 0)
  .map((file) => `${file} ${createHash('sha256').update(fs.readFileSync(file)).digest('hex')}`);

// Sends until the hub ends; the number of those that were acknowledged. Without the SDK, which goes
// round in circles when a connection is cut under a send.
async function sendUntilRefused(deviceId) {
  for (let sent = 0; ; ++sent) {
    try {
      const { status } = await request('POST', '/messages/deviceBound?api-version=2021-04-12', {
        token: ownerToken(), body: 'x'.repeat(60_000),
        headers: {
          'iothub-to': `/devices/${deviceId}/messages/deviceBound`, 'iothub-messageid': `large${sent}`, 'iothub-ack': 'full',
        },
      });
      assert.equal(status, 204);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return sent;
    }
  }
}

async function everythingIsThere(data, deviceId, sent) {
  isWhole(data);
  emulator = await Emulator.start('--data', data);
  const waiting = (await registry().get(deviceId)).responseBody.cloudToDeviceMessageCount;
  assert.ok(waiting === sent || waiting === sent + 1, `${waiting} are there, ${sent} were acknowledged and one was in doubt`);
  const backEnd = await BackEnd.open();
  const device = await Device.of((await registry().get(deviceId)).responseBody, 'amqp').open();
  for (let i = 0; i < sent; ++i) {
    assert.equal((await device.inbox.next()).messageId, `large${i}`);
    assert.equal((await backEnd.record(deviceId, `large${i}`)).statusCode, 'Success');
  }
  await device.close();
  await backEnd.close();
}

test('ST-13 the disk becomes full: the send is not acknowledged, the hub says why and ends with 1; with room it has everything',
  mounts, async () => {
    const disk = freshFolder();
    mount(disk, '-t', 'tmpfs', '-o', 'size=20m', 'tmpfs');
    const other = path.join(disk, 'other');
    fs.writeFileSync(other, Buffer.alloc(18 << 20));
    const data = path.join(disk, 'data');
    emulator = await Emulator.start('--data', data);
    const { deviceId } = await createDevice('full');
    const sent = await sendUntilRefused(deviceId);
    assert.deepEqual(await emulator.exited, { code: 1, signal: null });
    assert.match(emulator.log(), / error .*hub\.db: database or disk is full; free some space there and start again/);
    assert.ok(sent > 10);

    // Not even room for SQLite's shared memory.
    fs.rmSync(path.join(data, 'hub.db-shm'));
    assert.throws(() => fs.writeFileSync(path.join(disk, 'filling'), Buffer.alloc(1 << 20)), /ENOSPC/);
    assert.match(await refusedStart(data), /--data: .*hub\.(db|lock).*No space left on device/);

    fs.rmSync(path.join(disk, 'filling'));
    fs.rmSync(other);
    await everythingIsThere(data, deviceId, sent);
  });

test('ST-13 a limit on the size of files is like a full disk', options, async () => {
  const data = freshFolder();
  emulator = await Emulator.start('--data', data);
  execFileSync('prlimit', ['--pid', String(emulator.process.pid), '--fsize=1000000']);
  const { deviceId } = await createDevice('limited');
  const sent = await sendUntilRefused(deviceId);
  assert.deepEqual(await emulator.exited, { code: 1, signal: null });
  assert.match(emulator.log(), / error .*hub\.db: disk I\/O error.*; check the disk, .* and the limit on file sizes/);
  await everythingIsThere(data, deviceId, sent);
});

test('ST-06 a folder or a database that may not be written is refused and left as it is', mounts, async () => {
  const { data } = await killedFolder();
  const before = digests(data);
  mount(data, '--bind', data);
  execFileSync('mount', ['-o', 'remount,ro,bind', data]);
  assert.match(await refusedStart(data), /--data: cannot open .*hub\.lock: Read-only file system; choose a folder/);
  execFileSync('umount', [mounted.pop()]);

  const file = path.join(data, 'hub.db');
  mount(file, '--bind', file);
  execFileSync('mount', ['-o', 'remount,ro,bind', file]);
  assert.match(await refusedStart(data), /--data: cannot open .*hub\.db: Read-only file system; the emulator must be allowed/);
  execFileSync('umount', [mounted.pop()]);
  assert.deepEqual(digests(data), before);
  isWhole(data);
});

test('ST-05 a damaged database is refused and left as it is; put right, it has everything', options, async () => {
  const { data, identity } = await killedFolder();
  emulator = await Emulator.start('--data', data);
  await emulator.stop(); // into hub.db with it all
  const file = path.join(data, 'hub.db');
  const whole = fs.readFileSync(file);
  const zeroed = Buffer.from(whole);
  zeroed.fill(0, 4096 * 3, 4096 * 5);
  const damages = {
    'no database': Buffer.from('this is a letter, not a database\n'.repeat(300)),
    'cut': whole.subarray(0, whole.length / 2),
    'pages of zeros': zeroed,
  };
  for (const [what, bytes] of Object.entries(damages)) {
    fs.writeFileSync(file, bytes);
    const line = await refusedStart(data);
    assert.match(line, /--data: .*hub\.db.*(restore a copy of it, or move it away to start empty)/, what);
    assert.deepEqual(fs.readFileSync(file), bytes, what);
  }
  fs.writeFileSync(file, whole);
  emulator = await Emulator.start('--data', data);
  assert.equal((await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount, 3);
});

test('ST-05 the database gone from beside its log is refused, and the log kept', options, async () => {
  const { data } = await killedFolder();
  const log = fs.readFileSync(path.join(data, 'hub.db-wal'));
  fs.renameSync(path.join(data, 'hub.db'), path.join(data, 'kept'));
  assert.match(await refusedStart(data), /hub\.db is damaged: it is missing or empty but its log .* is not; restore a copy of both/);
  assert.deepEqual(fs.readFileSync(path.join(data, 'hub.db-wal')), log);
  fs.renameSync(path.join(data, 'kept'), path.join(data, 'hub.db'));
  isWhole(data);
  assert.equal(sql(data, 'SELECT count(*) FROM message'), '3');
});

test('ST-05 what stands in the place of the log and is none is refused, and kept', options, async () => {
  const { data, identity } = await killedFolder();
  const log = path.join(data, 'hub.db-wal');
  const whole = fs.readFileSync(log);
  fs.writeFileSync(log, 'x'.repeat(whole.length));
  const before = digests(data);
  assert.match(await refusedStart(data), /--data: .*hub\.db-wal is damaged: it is no log of a database; .*restore a copy of it/);
  assert.deepEqual(digests(data), before);
  fs.writeFileSync(log, whole);
  emulator = await Emulator.start('--data', data);
  assert.equal((await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount, 3);
  await emulator.stop();
  isWhole(data);
});

test('ST-03 a database of a newer emulator is refused and left as it is', options, async () => {
  const { data } = await killedFolder();
  sql(data, "INSERT INTO migration VALUES (999, '999_future')");
  const before = digests(data);
  assert.match(await refusedStart(data), /hub\.db .*newer emulator \(schema 999, this one knows/);
  assert.deepEqual(digests(data), before);
  isWhole(data);
});

test('ST-04 a second process on the folder is refused, and the first serves on', options, async () => {
  const data = freshFolder();
  emulator = await Emulator.start('--data', data);
  const { deviceId } = await createDevice('first');
  const line = await refusedStart(data);
  assert.ok(line.includes(`another emulator (pid ${emulator.process.pid}) uses the data folder ${data}; stop it`), line);
  const backEnd = await BackEnd.open({ feedback: false });
  await backEnd.send(deviceId, 'still here', { messageId: 'one' });
  await emulator.kill9();
  await backEnd.close();
  emulator = await Emulator.start('--data', data);
  assert.equal((await registry().get(deviceId)).responseBody.cloudToDeviceMessageCount, 1);
  await emulator.stop();
  isWhole(data);
});
