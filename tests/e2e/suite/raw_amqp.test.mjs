// A Proton client that logs in by SASL PLAIN: AMQP without any IoT Hub SDK.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Emulator } from '../lib/emulator.mjs';
import { deviceToken, ownerToken, sas } from '../lib/sas.mjs';
import { BackEnd, createDevice, registry } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'lib', 'proton_client.py');
// Debian's binding belongs to Debian's interpreter.
const python = '/usr/bin/python3';
const here = spawnSync(python, ['-c', 'import proton']).status === 0;
const options = { timeout: 40_000, skip: here ? false : 'python3-qpid-proton is not installed' };

let emulator;
let backEnd;
before(async () => {
  emulator = await Emulator.start();
  backEnd = await BackEnd.open();
});
after(async () => {
  await backEnd?.close();
  await emulator.stop();
});

async function proton(...args) {
  const { code, output } = await run(python, [script, ...args]);
  const line = output.trim().split('\n').pop();
  return { code, ...JSON.parse(line.startsWith('{') ? line : `{"error": ${JSON.stringify(output)}}`) };
}

const OWNER = 'iothubowner@sas.root.localhost';
const send = (deviceId, messageId, body) =>
  proton('send', OWNER, ownerToken(), CA, '/messages/devicebound', `/devices/${deviceId}/messages/devicebound`, messageId, body);
const receive = (identity, verb, token = deviceToken(identity)) =>
  proton('receive', `${identity.deviceId}@sas.localhost`, token, CA, `/devices/${identity.deviceId}/messages/devicebound`, verb);

test('a Proton service sends, a Proton device receives and accepts', options, async () => {
  const identity = await createDevice('proton');
  assert.equal((await send(identity.deviceId, 'My Message ID', 'Cloud to device message.')).code, 0);
  const got = await receive(identity, 'accept');
  assert.equal(got.body, 'Cloud to device message.');
  assert.equal(got.id, 'My Message ID');
  assert.equal(got.tag_bytes, 16);
  assert.equal(got.properties.room, 'a/b');
  assert.equal(got.properties['iothub-ack'], 'full');
  for (const name of ['iothub-deliverycount', 'iothub-enqueuedtime', 'x-opt-sequence-number']) {
    assert.ok(got.annotations.includes(name), `${name} in ${got.annotations}`);
  }
  assert.equal((await backEnd.record(identity.deviceId, 'My Message ID')).statusCode, 'Success');
});

test('released: the message stays; rejected: it is gone with a record', options, async () => {
  const identity = await createDevice('proton');
  await send(identity.deviceId, 'twice', 'x');
  assert.equal((await receive(identity, 'release')).id, 'twice');
  assert.equal((await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount, 1);
  assert.equal((await receive(identity, 'reject')).id, 'twice');
  assert.equal((await backEnd.record(identity.deviceId, 'twice')).statusCode, 'Rejected');
});

test('an id of the type uuid is text in the feedback', options, async () => {
  const identity = await createDevice('proton');
  const id = '6f1c8f0a-52b4-4d1e-9c39-0d3a4b9f7e11';
  assert.equal((await send(identity.deviceId, `uuid:${id}`, 'x')).code, 0);
  assert.equal((await receive(identity, 'accept')).id, id);
  assert.equal((await backEnd.record(identity.deviceId, id)).statusCode, 'Success');
});

test('a send to an unknown device is rejected with amqp:not-found', options, async () => {
  const { code, condition } = await send('nobody', 'x', 'x');
  assert.equal(code, 1);
  assert.equal(condition, 'amqp:not-found');
});

test('a wrong key fails at SASL', options, async () => {
  const identity = await createDevice('proton');
  const token = sas(`localhost/devices/${identity.deviceId}`, Buffer.alloc(32, 1).toString('base64'));
  const { code, condition } = await receive(identity, 'accept', token);
  assert.equal(code, 1);
  assert.equal(condition, 'amqp:unauthorized-access');
});

test('another device\'s address is refused', options, async () => {
  const one = await createDevice('proton');
  const two = await createDevice('proton');
  const { code, condition } = await proton('receive', `${one.deviceId}@sas.localhost`, deviceToken(one), CA,
    `/devices/${two.deviceId}/messages/devicebound`, 'accept');
  assert.equal(code, 1);
  assert.equal(condition, 'amqp:unauthorized-access');
});
