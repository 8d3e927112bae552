// MQTT sessions as the SDKs rely on them: filters outlive the connection, and messages that a hub
// holds back say so.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { request } from '../lib/https.mjs';
import { deviceToken } from '../lib/sas.mjs';
import { BackEnd, createDevice, Device, registry } from '../lib/sdk.mjs';
import { subscribe } from '../lib/tools.mjs';

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

async function restart(backlog) {
  await backEnd.close();
  await emulator.stop();
  emulator = await Emulator.start('--set', `mqttBacklogOnFirstSubscribe=${backlog}`);
  backEnd = await BackEnd.open();
}

const options = { timeout: 30_000 };
const devicebound = (identity) => `devices/${identity.deviceId}/messages/devicebound/#`;

test('a persistent session gets what was sent while it was away, before any SUBSCRIBE', options, async () => {
  const identity = await createDevice('away');
  const first = subscribe(identity, ['-c', '-q', '1', '-v', '-t', devicebound(identity)]);
  await first.shows(/Subscribed/);
  await first.stop();
  for (const body of ['one', 'two', 'three']) await backEnd.send(identity.deviceId, body, { messageId: body, ack: 'full' });
  const second = subscribe(identity, ['-c', '-q', '1', '-v', '-t', devicebound(identity)]);
  // Not by -C 3: that leaves with the SUBACK unread, and the reset that this makes may overtake a PUBACK.
  await second.shows(/ three$/m);
  const { output } = await second.stop();
  assert.deepEqual(output.split('\n').filter((line) => /^devices\//.test(line)).map((line) => line.split(' ').pop()),
    ['one', 'two', 'three']);
  for (const body of ['one', 'two', 'three']) assert.equal((await backEnd.record(identity.deviceId, body)).statusCode, 'Success');
});

test('the SDK\'s MQTT client gets what was sent while it was away', options, async () => {
  const identity = await createDevice('returns');
  const first = await Device.of(identity, 'mqtt').open();
  await first.client.close();
  await backEnd.send(identity.deviceId, 'kept');
  const second = await Device.of(identity, 'mqtt').open({ listenFirst: true });
  assert.equal((await second.inbox.next()).data.toString(), 'kept');
  await second.close();
});

test('M-40 a message sent before an MQTT device ever subscribed is rejected, with feedback, and the log says so', options, async () => {
  const identity = await createDevice('early');
  await backEnd.send(identity.deviceId, 'too early', { messageId: 'early', ack: 'full' });
  const device = await Device.of(identity, 'mqtt').open();
  assert.equal((await backEnd.record(identity.deviceId, 'early')).statusCode, 'Rejected');
  await backEnd.send(identity.deviceId, 'in time');
  assert.equal((await device.inbox.next()).data.toString(), 'in time');
  assert.equal(device.inbox.size, 0);
  assert.match(emulator.log(), new RegExp(`messages rejected: .*mqttBacklogOnFirstSubscribe=deliver.*${identity.deviceId}.*early`));
  await device.close();
});

test('with keep it stays, and the log says so', options, async () => {
  await restart('keep');
  const identity = await createDevice('early');
  await backEnd.send(identity.deviceId, 'too early', { messageId: 'early' });
  const device = await Device.of(identity, 'mqtt').open();
  await backEnd.send(identity.deviceId, 'in time');
  assert.equal((await device.inbox.next()).data.toString(), 'in time');
  assert.equal(device.inbox.size, 0);
  assert.equal((await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount, 1);
  assert.match(emulator.log(), new RegExp(`messages kept but not pushed.*${identity.deviceId}.*early`));
  await device.close();
  // HTTPS sees it.
  const answer = await request('GET', `/devices/${identity.deviceId}/messages/deviceBound?api-version=2021-04-12`,
    { token: deviceToken(identity) });
  assert.equal(answer.body.toString(), 'too early');
});

test('with deliver it is delivered', options, async () => {
  await restart('deliver');
  const identity = await createDevice('backlog');
  await backEnd.send(identity.deviceId, 'early but wanted');
  const device = await Device.of(identity, 'mqtt').open();
  assert.equal((await device.inbox.next()).data.toString(), 'early but wanted');
  await device.close();
});
