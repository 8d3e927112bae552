// Devices with a certificate instead of a key: known by its thumbprint, or by the CA that issued it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Emulator, WORK } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, refused } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';

let emulator;
let backEnd;
let made = 0;
// A CA, an intermediate CA under it, and devices' certificates under that.
function openssl(...args) { execFileSync('openssl', args, { stdio: 'ignore' }); }
function issue(name, { issuer = null, ca = false, days = 1 } = {}) {
  const base = path.join(WORK, `issued-${++made}`);
  openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`,
    '-keyout', `${base}.key`, '-out', `${base}.csr`);
  fs.writeFileSync(`${base}.ext`, `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}\n`);
  openssl('x509', '-req', '-in', `${base}.csr`, '-days', String(days), '-extfile', `${base}.ext`, '-out', `${base}.pem`,
    ...(issuer ? ['-CA', issuer.file, '-CAkey', issuer.keyFile, '-CAcreateserial'] : ['-signkey', `${base}.key`]));
  const cert = fs.readFileSync(`${base}.pem`, 'utf8');
  return { file: `${base}.pem`, keyFile: `${base}.key`, cert, key: fs.readFileSync(`${base}.key`, 'utf8') };
}

const root = issue('Root of the tests', { ca: true });
const intermediate = issue('Intermediate', { issuer: root, ca: true });
before(async () => {
  emulator = await Emulator.start('--device-ca', root.file);
  backEnd = await BackEnd.open();
});
after(async () => {
  await backEnd?.close();
  await emulator.stop();
});

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

for (const transport of ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'http']) {
  test(`a certificate under the registered CA is good over ${transport}`, { timeout: 60_000 }, async () => {
    const identity = await registerByCa(`ca-${transport}`);
    const leaf = issue(identity.deviceId, { issuer: intermediate });
    const device = await connect(identity, transport, { cert: leaf.cert + intermediate.cert, key: leaf.key });
    await device.open();
    await backEnd.send(identity.deviceId, 'to a CA device', { messageId: 'x', ack: 'full' });
    assert.equal((await device.inbox.next()).data.toString(), 'to a CA device');
    assert.equal((await backEnd.record(identity.deviceId, 'x')).statusCode, 'Success');
    await device.close();
  });
}

for (const [what, make] of [
  ['another name', (id) => ({ leaf: issue(`${id}x`, { issuer: intermediate }), chain: intermediate })],
  ['another CA', (id) => ({ leaf: issue(id, { issuer: issue('Stranger', { ca: true }) }), chain: null })],
  ['its intermediate left out', (id) => ({ leaf: issue(id, { issuer: intermediate }), chain: null })],
  ['no validity any more', (id) => ({ leaf: issue(id, { issuer: intermediate, days: 0 }), chain: intermediate })],
]) {
  test(`a certificate with ${what} is refused`, { timeout: 60_000 }, async () => {
    const identity = await registerByCa(`ca-${what.replaceAll(' ', '-')}`);
    const { leaf, chain } = make(identity.deviceId);
    if (what.startsWith('no validity')) await new Promise((resolve) => { setTimeout(resolve, 1100); });
    const device = await connect(identity, 'mqtt', { cert: leaf.cert + (chain?.cert ?? ''), key: leaf.key });
    assert.equal((await refused(device.open())).name, 'UnauthorizedError');
    await device.close();
  });
}
