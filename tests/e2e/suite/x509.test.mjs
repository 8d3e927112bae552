// Devices with a certificate instead of a key: known by its thumbprint, or by the CA that issued it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Authority } from '../lib/certificates.mjs';
import { Emulator, WORK } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, refused } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';

let emulator;
let backEnd;
const root = new Authority('root');
const intermediate = new Authority('intermediate', root);
before(async () => {
  emulator = await Emulator.start('--device-ca', root.file);
  backEnd = await BackEnd.open();
});
after(async () => {
  await backEnd?.close();
  await emulator.stop();
});

let made = 0;
function certificate() {
  const base = path.join(WORK, `x509-${++made}`);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1',
    '-subj', '/CN=device', '-keyout', `${base}.key`, '-out', `${base}.pem`], { stdio: 'ignore' });
  const cert = fs.readFileSync(`${base}.pem`, 'utf8');
  const x509 = new X509Certificate(cert);
  return {
    file: `${base}.pem`, keyFile: `${base}.key`, cert, key: fs.readFileSync(`${base}.key`, 'utf8'),
    sha1: x509.fingerprint.replaceAll(':', ''), sha256: x509.fingerprint256.replaceAll(':', ''),
  };
}

const register = (name, primaryThumbprint, secondaryThumbprint = null) => createDevice(name, {
  authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint, secondaryThumbprint } },
});

async function connect(identity, transport, { cert, key }) {
  const device = Device.fromConnectionString(`HostName=localhost;DeviceId=${identity.deviceId};x509=true`, transport);
  // The HTTP transport answers setOptions only when it has a receive policy to set.
  await device.client.setOptions({ cert, key, http: { receivePolicy: { interval: 0.1 } } });
  return device;
}

for (const transport of ['mqtt', 'amqp', 'http']) {
  test(`a registered certificate is good over ${transport}`, { timeout: 60_000 }, async () => {
    const own = certificate();
    const identity = await register(`x509-${transport}`, own.sha1);
    const device = await (await connect(identity, transport, own)).open();
    await backEnd.send(identity.deviceId, 'to a certificate', { messageId: 'x', ack: 'full' });
    assert.equal((await device.inbox.next()).data.toString(), 'to a certificate');
    assert.equal((await backEnd.record(identity.deviceId, 'x')).statusCode, 'Success');
    await device.close();
  });

  test(`another certificate is refused over ${transport}`, { timeout: 60_000 }, async () => {
    const identity = await register(`x509-other-${transport}`, certificate().sha1);
    const device = await connect(identity, transport, certificate());
    // Over AMQP and HTTP nothing is refused before something is asked for.
    const error = await refused((async () => {
      await device.open({ listen: false });
      await device.telemetry('x');
    })());
    assert.equal(error.name, 'UnauthorizedError');
    await device.close();
  });
}

test('the secondary thumbprint, as SHA-256, is as good', { timeout: 60_000 }, async () => {
  const own = certificate();
  const identity = await register('x509-second', certificate().sha1, own.sha256);
  const device = await connect(identity, 'mqtt', own);
  await device.open();
  await device.close();
});

test('a key is of no use to a device that is registered with a certificate', { timeout: 60_000 }, async () => {
  const identity = await register('x509-key', certificate().sha1);
  const key = Buffer.alloc(32, 1).toString('base64');
  const error = await refused(Device.fromConnectionString(
    `HostName=localhost;DeviceId=${identity.deviceId};SharedAccessKey=${key}`, 'mqtt').open());
  assert.equal(error.name, 'UnauthorizedError');
});

test('mosquitto_pub with a certificate and no password', { timeout: 60_000 }, async () => {
  const own = certificate();
  const identity = await register('x509-raw', own.sha256);
  const { code, output } = await run('mosquitto_pub', ['-h', 'localhost', '-p', '8883', '-V', 'mqttv311', '--cafile', CA,
    '--cert', own.file, '--key', own.keyFile, '-i', identity.deviceId, '-u', `localhost/${identity.deviceId}/?api-version=2021-04-12`,
    '-q', '1', '-t', `devices/${identity.deviceId}/messages/events/`, '-m', 'x']);
  assert.equal(code, 0, output);
});

const registerByCa = (name) => createDevice(name, { authentication: { type: 'certificateAuthority' } });

// What a device shows: its certificate, and those between it and the root.
function shown(leaf, chain = [intermediate]) {
  const read = (file) => fs.readFileSync(file, 'utf8');
  return { cert: [leaf.cert, ...chain.map((ca) => ca.file)].map(read).join(''), key: read(leaf.key) };
}

for (const transport of ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'http']) {
  test(`a certificate under the registered CA is good over ${transport}`, { timeout: 60_000 }, async () => {
    const identity = await registerByCa(`ca-${transport}`);
    const device = await connect(identity, transport, shown(intermediate.issue({ host: identity.deviceId })));
    await device.open();
    await backEnd.send(identity.deviceId, 'to a CA device', { messageId: 'x', ack: 'full' });
    assert.equal((await device.inbox.next()).data.toString(), 'to a CA device');
    assert.equal((await backEnd.record(identity.deviceId, 'x')).statusCode, 'Success');
    await device.close();
  });
}

for (const [what, make] of [
  ['another name', (host) => shown(intermediate.issue({ host: `${host}x` }))],
  ['another CA', (host) => shown(new Authority('stranger').issue({ host }), [])],
  ['its intermediate left out', (host) => shown(intermediate.issue({ host }), [])],
  ['no validity any more', (host) => shown(intermediate.issue({ host, days: -1 }))],
]) {
  test(`a certificate with ${what} is refused`, { timeout: 60_000 }, async () => {
    const identity = await registerByCa(`ca-${what.replaceAll(' ', '-')}`);
    const device = await connect(identity, 'mqtt', make(identity.deviceId));
    assert.equal((await refused(device.open())).name, 'UnauthorizedError');
    await device.close();
  });
}
