// The process itself: the control API, its flags, how it starts, and how it stops.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';

import { BINARIES, CONTROL_PORT, Emulator, httpGet, HUB, PATIENCE, WORK } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';
import { until, within } from '../lib/wait.mjs';

// What the sanitizer keeps of freed memory would drown what the hub holds.
process.env.ASAN_OPTIONS = `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=8`;

const options = { timeout: 60_000 };
const binary = path.join(BINARIES, 'iothub-emulator');
const get = (route) => httpGet(`http://127.0.0.1:${CONTROL_PORT}${route}`);

// node's fetch does not let a caller choose the host.
const ask = (route, headers) => new Promise((resolve, reject) => {
  http.get({ host: '127.0.0.1', port: CONTROL_PORT, path: route, headers }, (response) => {
    let body = '';
    response.on('data', (data) => { body += data; });
    response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
  }).on('error', reject);
});
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${emulator.process.pid}/status`, 'utf8'))[1]);

let emulator;
before(async () => { emulator = await Emulator.start(); });
after(() => emulator.stop());

test('/health and /ready answer 200', options, async () => {
  const health = await get('/health');
  assert.equal(health.status, 200);
  assert.deepEqual(JSON.parse(health.body), { status: 'ok' });
  assert.equal((await get('/ready')).status, 200);
});

test('/ca.pem is the CA of the ready file', options, async () => {
  assert.equal((await get('/ca.pem')).body.toString(), fs.readFileSync(CA, 'utf8'));
});

test('/connection-strings has the well-known one', options, async () => {
  const { body } = await get('/connection-strings');
  JSON.parse(body);
  assert.ok(body.toString().includes(HUB), body.toString());
});

test('CT-150 no page gets the keys: not by a name of its own, not from its own origin', options, async () => {
  for (const headers of [{ Host: 'evil.example' }, { Origin: 'http://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
    const answer = await ask('/connection-strings', headers);
    assert.equal(answer.status, 403, JSON.stringify(headers));
    assert.ok(!answer.body.includes('SharedAccessKey'));
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  assert.equal((await ask('/connection-strings', { Host: `localhost:${CONTROL_PORT}` })).status, 200);
});

test('CT-154 pipelined requests that nobody reads are held back, and others are served', options, async () => {
  const before = rss();
  const sockets = [];
  try {
    for (let i = 0; i < 8; i += 1) {
      const socket = net.connect(CONTROL_PORT, '127.0.0.1');
      socket.on('error', () => {});
      socket.pause();
      socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20_000));
      sockets.push(socket);
    }
    for (let i = 0; i < 20; i += 1) assert.equal((await get('/health')).status, 200);
    assert.ok(rss() - before < 64 * 1024, `${before} KiB became ${rss()} KiB`);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('/version names the program', options, async () => {
  const answer = await get('/version');
  assert.match(JSON.parse(answer.body).version, /^\d+\.\d+/);
});

test('/metrics is Prometheus text with the hub\'s counters', options, async () => {
  const identity = await createDevice('metered');
  const device = await Device.of(identity, 'amqp').open();
  const backEnd = await BackEnd.open();
  const before = await emulator.counter('c2d.commands.egress.complete.success');
  await backEnd.send(identity.deviceId, 'x', { messageId: 'm', ack: 'full' });
  await device.inbox.next();
  await backEnd.record(identity.deviceId, 'm');
  assert.equal(await emulator.counter('c2d.commands.egress.complete.success'), before + 1);
  await device.close();
  await backEnd.close();
});

test('an unknown route is 404', options, async () => {
  assert.equal((await get('/no-such-thing')).status, 404);
});

test('the ready file names pid and ports', options, async () => {
  assert.equal(emulator.ready.pid, emulator.process.pid);
  const text = JSON.stringify(emulator.ready);
  for (const port of [8883, 5671, 443, 9400]) assert.ok(text.includes(String(port)), `${port} in ${text}`);
});

test('--health is 0 while it serves, and not 0 where nothing does', options, async () => {
  assert.equal((await run(binary, ['--health'])).code, 0);
  const { code, output } = await run(binary, ['--health', '--control-port', '9401']);
  assert.equal(code, 1);
  assert.match(output, /^iothub-emulator: nothing listens on port 9401 .*\n$/);
});

test('a port that is taken: exit 1, and the line names port and flag', options, async () => {
  const { code, output } = await run(binary, ['--tls-dir', path.join(WORK, 'tls')]);
  assert.equal(code, 1);
  assert.match(output, /(8883|5671|443|9400)/);
  assert.match(output, /--(mqtts|amqps|https|control)-port/);
  assert.match(output, /an iothub-emulator runs already/);
});

for (const [what, args, named] of [
  ['an unknown flag', ['--no-such-flag'], 'no-such-flag'],
  ['an unknown setting', ['--set', 'no.such.setting=1'], 'no.such.setting'],
  ['a bad value', ['--mqtts-port', 'many'], 'mqtts-port'],
  ['a second value', ['--data', 'A', 'B'], 'not expected: B'],
  ['a hub that is no host name', ['--hub', 'a;b=c'], '--hub: "a;b=c" is no host name'],
  ['a bad setting value', ['--set', 'cloudToDevice.maxDeliveryCount=1000'], 'maxDeliveryCount'],
]) {
  test(`${what}: exit 2 and a line that names it`, options, async () => {
    const { code, output } = await run(binary, args);
    assert.equal(code, 2, output);
    assert.ok(output.includes(named), output);
  });
}

test('--version and --help: exit 0', options, async () => {
  for (const flag of ['--version', '--help']) assert.equal((await run(binary, [flag])).code, 0);
});

test('clients that send rubbish or nothing do not disturb the others', options, async () => {
  const identity = await createDevice('calm');
  const device = await Device.of(identity, 'mqtt').open();
  const sockets = [];
  for (const port of [8883, 5671, 443]) {
    for (const bytes of [Buffer.alloc(0), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(4096, 0xff)]) {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      if (bytes.length > 0) socket.write(bytes);
      sockets.push(socket);
    }
  }
  await device.telemetry('still here');
  assert.equal((await get('/health')).status, 200);
  for (const socket of sockets) socket.destroy();
  await device.close();
});

// AMQP's header and an open frame with the container id "ab".
const AMQP_OPEN = Buffer.from('414d515000010000' + '0000001202000000' + '005310c00501a1026162', 'hex');

// Last, as they end the emulator.
test('SIGTERM with clients connected: AMQP is closed with a condition, exit 0 within 2 s', options, async () => {
  const identity = await createDevice('ended');
  const device = await Device.of(identity, 'mqtt').open();
  const amqp = tls.connect({ host: 'localhost', port: 5671 });
  let received = Buffer.alloc(0);
  amqp.on('data', (data) => { received = Buffer.concat([received, data]); });
  amqp.on('error', () => {});
  amqp.write(AMQP_OPEN);
  await until(() => received.includes(Buffer.from('DeviceGateway_')), 'the open of the hub');
  const idle = new http.Agent({ keepAlive: true });
  await new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port: CONTROL_PORT, path: '/health', agent: idle }, (response) => {
      response.resume().on('end', resolve);
    }).on('error', reject);
  });
  const before = performance.now();
  const exit = await within(emulator.stop(), 'the end of the emulator', 10_000);
  assert.deepEqual(exit, { code: 0, signal: null });
  assert.ok(performance.now() - before < 2000 * PATIENCE, 'it took longer than 2 s');
  await until(() => received.includes(Buffer.from('amqp:connection:forced')), 'the close of the hub');
  assert.doesNotMatch(emulator.log(), /not every connection closed in time/);
  idle.destroy();
  amqp.destroy();
  await device.close();
});

// After a close alone each of these would wait 45 s, and so would whoever calls send.
test('A-27 the SDK notices a restart over AMQP, and goes on', { timeout: 30_000 * PATIENCE }, async () => {
  emulator = await Emulator.start();
  const identity = await createDevice('restarted');
  const devices = ['amqp', 'amqp-ws'].map((transport) => Device.of(identity, transport));
  for (const device of devices) await device.open({ listen: false });
  const backEnd = await BackEnd.open();
  await backEnd.send(identity.deviceId, 'before');

  assert.deepEqual(await within(emulator.stop(), 'the end of the emulator', 10_000), { code: 0, signal: null });
  await until(() => devices.every((device) => device.disconnected), 'both devices to notice');
  emulator = await Emulator.start();
  await backEnd.send((await createDevice('after')).deviceId, 'after');
  await backEnd.close();
  for (const device of devices) await device.close();
});
