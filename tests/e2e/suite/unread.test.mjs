// The emulator as a child whose output nobody reads, as spawn() and Popen(stderr=PIPE) leave it; and in
// a process that is given little memory.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';

import { BINARIES, CONTROL_PORT, httpGet, PATIENCE, WORK } from '../lib/emulator.mjs';
import { ownerToken } from '../lib/sas.mjs';
import { until, within } from '../lib/wait.mjs';

const binary = path.join(BINARIES, 'iothub-emulator');
const HTTP_PORT = 8080;
const running = new Set();
after(() => running.forEach((child) => child.kill('SIGKILL')));

async function start(name, flags, command = [binary]) {
  const readyFile = path.join(WORK, `${name}.ready.json`);
  fs.rmSync(readyFile, { force: true });
  const child = spawn(command[0], [...command.slice(1), '--ready-file', readyFile, '--tls-dir', path.join(WORK, 'tls'),
    '--http-port', String(HTTP_PORT), ...flags]);
  running.add(child);
  child.exited = new Promise((resolve) => child.on('exit', (code, signal) => {
    running.delete(child);
    resolve({ code, signal });
  }));
  await until(() => fs.existsSync(readyFile) || child.exitCode !== null, 'the ready file', 20_000);
  return child;
}

function request(method, target, { token, body, agent, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ method, path: target, port: HTTP_PORT, host: '127.0.0.1', agent,
      headers: { ...(token ? { Authorization: token } : {}), ...headers } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts).toString() }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

for (const threads of [1, 8]) {
  test(`APP-01 APP-02 nobody reads stdout and stderr: all goes on after thousands of refusals, --threads ${threads}`,
    { timeout: 120_000 }, async () => {
      const child = await start(`unread-${threads}`, ['--threads', String(threads)]);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
      const target = '/devices/nobody/messages/events?api-version=2021-04-12';
      for (let i = 0; i < 300; ++i) {
        const answers = await within(Promise.all(Array.from({ length: 16 }, () =>
          request('POST', target, { token: 'SharedAccessSignature sr=a&sig=b&se=1', body: 'x', agent }))), 'the refusals');
        for (const { status } of answers) assert.equal(status, 401);
      }
      agent.destroy();
      assert.equal((await within(httpGet(`http://127.0.0.1:${CONTROL_PORT}/health`), '/health')).status, 200);
      const out = text(child.stdout);  // stderr stays unread
      child.kill('SIGTERM');
      assert.deepEqual(await within(child.exited, 'the end'), { code: 0, signal: null });
      assert.match(await out, /^iothub-emulator [^]*\n {2}connection string [^]*\nready in \d+ ms\n$/);
    });
}

// A sanitizer needs terabytes of addresses.
test('APP-20 out of memory: a line that says so, exit 1, and what was acknowledged is there afterwards',
  { timeout: 120_000, skip: PATIENCE > 1 }, async () => {
    const data = ['--data', path.join(WORK, 'little-memory')];
    const child = await start('little-memory', data,
      ['bash', '-c', 'ulimit -v 300000; exec "$0" "$@"', binary]);
    let log = '';
    child.stderr.on('data', (part) => { log += part; });
    child.stdout.resume();
    const token = ownerToken();
    const api = 'api-version=2021-04-12';
    const agent = new http.Agent({ keepAlive: true });
    const acknowledged = new Map();
    const body = Buffer.alloc(60_000, 'x');
    try {
      for (let d = 0; d < 500; ++d) {
        const device = `/devices/d${d}`;
        const made = await request('PUT', `${device}?${api}`, { token, body: JSON.stringify({ deviceId: `d${d}` }), agent });
        assert.equal(made.status, 200, made.body);
        acknowledged.set(d, 0);
        for (let i = 0; i < 50; ++i) {
          const headers = { 'iothub-to': `${device}/messages/devicebound` };
          const sent = await request('POST', `/messages/deviceBound?${api}`, { token, body, agent, headers });
          assert.ok(sent.status === 204 || sent.status === 201, sent.body);
          acknowledged.set(d, i + 1);
        }
      }
      assert.fail('there was memory enough');
    } catch (error) {
      assert.ok(error.code, error.stack);  // the connection broke
    }
    agent.destroy();
    assert.deepEqual(await within(child.exited, 'the end'), { code: 1, signal: null });
    await until(() => log.includes('out of memory'), `the reason in the log: ${log.slice(-500)}`);

    const again = await start('memory-enough', data);
    again.stdout.resume();
    again.stderr.resume();
    for (const [d, count] of acknowledged) {
      const identity = JSON.parse((await request('GET', `/devices/d${d}?${api}`, { token })).body);
      // The one that was on its way may be there, too.
      assert.ok([count, count + 1].includes(identity.cloudToDeviceMessageCount), `d${d}: ${count} of ${identity.cloudToDeviceMessageCount}`);
    }
    again.kill('SIGTERM');
    assert.deepEqual(await within(again.exited, 'the end'), { code: 0, signal: null });
  });

test('APP-35 a server certificate that OpenSSL does not take ends the start with a line', { timeout: 60_000 }, async () => {
  const key = path.join(WORK, 'weak.key');
  const certificate = path.join(WORK, 'weak.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-keyout', key, '-out', certificate,
    '-days', '30', '-subj', '/CN=localhost'], { stdio: 'ignore' });
  const child = spawn(binary, ['--tls-cert', certificate, '--tls-key', key, '--tls-dir', path.join(WORK, 'tls')]);
  const log = text(child.stderr);
  const code = await within(new Promise((resolve) => child.on('exit', resolve)), 'the end');
  assert.equal(code, 2);
  assert.match(await log, /--tls-cert: .*2048 bits.*key too small/);
});

test('APP-22 what is no file is written to as it is, and a link is followed', { timeout: 60_000 }, async () => {
  const fifo = path.join(WORK, 'ready.fifo');
  fs.rmSync(fifo, { force: true });
  execFileSync('mkfifo', [fifo]);
  const reader = spawn('cat', [fifo]);
  const told = text(reader.stdout);
  const target = path.join(WORK, 'ready.target');
  const link = path.join(WORK, 'ready.link');
  fs.rmSync(link, { force: true });
  fs.writeFileSync(target, '');
  fs.symlinkSync(target, link);
  for (const file of [fifo, link]) {
    const child = spawn(binary, ['--ready-file', file, '--tls-dir', path.join(WORK, 'tls'), '--http-port', String(HTTP_PORT)]);
    await until(() => file === fifo ? reader.exitCode === 0 : fs.statSync(target).size > 0, 'the ready file', 20_000);
    child.kill('SIGTERM');
    assert.equal(await within(new Promise((resolve) => child.on('exit', resolve)), 'the end'), 0);
  }
  assert.ok(JSON.parse(await told).ports);
  assert.ok(JSON.parse(fs.readFileSync(target, 'utf8')).ports);
  assert.ok(fs.lstatSync(link).isSymbolicLink() && fs.lstatSync(fifo).isFIFO());
});

test('APP-23 without stdin, stdout and stderr nothing is written into what is opened later', { timeout: 60_000 }, async () => {
  const data = path.join(WORK, 'no-stderr');
  const child = await start('no-stderr', ['--data', data, '--log-level', 'debug'],
    ['bash', '-c', 'exec "$0" "$@" <&- >&- 2>&-', binary]);
  const names = ['0', '1', '2'].map((fd) => fs.readlinkSync(`/proc/${child.pid}/fd/${fd}`));
  assert.deepEqual(names, ['/dev/null', '/dev/null', '/dev/null']);
  child.kill('SIGTERM');
  assert.deepEqual(await within(child.exited, 'the end'), { code: 0, signal: null });
});

test('APP-21 the table of descriptors is made before the first client comes, with every number of threads', async () => {
  const child = await start('descriptors', ['--threads', '2']);
  const [, size] = /^FDSize:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'));
  const [, limit] = /^Max open files\s+(\d+)/m.exec(fs.readFileSync(`/proc/${child.pid}/limits`, 'utf8'));
  assert.ok(Number(size) >= Math.min(Number(limit), 65_536), `${size} of ${limit}`);
  child.kill('SIGTERM');
  assert.deepEqual(await within(child.exited, 'the end'), { code: 0, signal: null });
});

// A sanitizer's runtime has to come first among the libraries.
test('N-41 the disk hangs: the log says so, the control API answers, and a second SIGTERM ends it',
  { timeout: 60_000, skip: PATIENCE > 1 }, async () => {
    const hangs = path.join(WORK, 'disk-hangs');
    fs.rmSync(hangs, { force: true });
    const child = await start('hung', ['--data', path.join(WORK, 'hung')], ['env', `HANG_WHILE=${hangs}`,
      `LD_PRELOAD=${path.join(BINARIES, 'libkill_at_write.so')}`, binary]);
    let log = '';
    child.stderr.on('data', (part) => { log += part; });
    fs.writeFileSync(hangs, '');
    const target = '/devices/d1?api-version=2021-04-12';
    const put = request('PUT', target, { token: ownerToken(), body: '{"deviceId":"d1"}',
      headers: { 'Content-Type': 'application/json' } }).catch((error) => error);
    await until(() => log.includes('the store has stored nothing for 5 seconds or more'), 'the warning', 20_000);
    assert.equal((await within(httpGet(`http://127.0.0.1:${CONTROL_PORT}/health`), '/health')).status, 200);
    child.kill('SIGTERM');
    await until(() => log.includes('stopping'), 'the first one', 10_000);
    child.kill('SIGTERM');
    assert.deepEqual(await within(child.exited, 'the end'), { code: null, signal: 'SIGTERM' });
    fs.rmSync(hangs);
    assert.ok((await put) instanceof Error);
  });
