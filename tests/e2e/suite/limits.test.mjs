// Quotas and expiry as the back end meets them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, refused, registry, TRANSPORTS } from '../lib/sdk.mjs';

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

test('the 51st message of a device is refused, and the next fits after one was taken', { timeout: 60_000 }, async () => {
  const identity = await createDevice('full');
  for (let i = 0; i < 50; ++i) await backEnd.send(identity.deviceId, `m${i}`);
  const error = await refused(backEnd.send(identity.deviceId, 'm50'), 'the 51st');
  assert.equal(error.name, 'DeviceMaximumQueueDepthExceededError');
  assert.equal((await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount, 50);

  const device = await Device.of(identity, 'amqp').open();
  const bodies = [];
  while (bodies.length < 50) bodies.push((await device.inbox.next()).data.toString());
  assert.deepEqual(bodies, Array.from({ length: 50 }, (_, i) => `m${i}`));
  await backEnd.send(identity.deviceId, 'fits');
  assert.equal((await device.inbox.next()).data.toString(), 'fits');
  await device.close();
});

test('a message over 64 KB is refused: MessageTooLarge', { timeout: 60_000 }, async () => {
  const { deviceId } = await createDevice('large');
  const error = await refused(backEnd.send(deviceId, Buffer.alloc(70_000)));
  assert.equal(error.name, 'MessageTooLargeError');
  await backEnd.send(deviceId, 'and the connection lives on');
});

test('a send to an unknown device is refused: DeviceNotFoundError', { timeout: 60_000 }, async () => {
  const error = await refused(backEnd.send('nobody', 'x'));
  assert.equal(error.name, 'DeviceNotFoundError');
});

test('a send to a disabled device is refused: DeviceNotFoundError', { timeout: 60_000 }, async () => {
  const { deviceId } = await createDevice('off', { status: 'disabled' });
  const error = await refused(backEnd.send(deviceId, 'x'));
  assert.equal(error.name, 'DeviceNotFoundError');
});

test('a message past its expiry is not delivered and ends with an Expired record', { timeout: 60_000 }, async () => {
  const identity = await createDevice('late');
  await backEnd.send(identity.deviceId, 'old', { messageId: 'late', ack: 'negative', expiryTimeUtc: Date.now() + 300 });
  assert.equal((await backEnd.record(identity.deviceId, 'late')).statusCode, 'Expired');
  const device = await Device.of(identity, 'amqp').open();
  await backEnd.send(identity.deviceId, 'new');
  assert.equal((await device.inbox.next()).data.toString(), 'new');
  await device.close();
});

test('one queue, whatever the transport: each message goes to one receiver', { timeout: 60_000 }, async () => {
  const identity = await createDevice('shared');
  for (const name of Object.keys(TRANSPORTS)) {
    const device = await Device.of(identity, name).open();
    await backEnd.send(identity.deviceId, `for ${name}`, { messageId: name, ack: 'full' });
    assert.equal((await device.inbox.next()).data.toString(), `for ${name}`);
    assert.equal((await backEnd.record(identity.deviceId, name)).statusCode, 'Success');
    await device.close();
  }
});

test('64 outcomes and more reach the back end, each exactly once', { timeout: 60_000 }, async () => {
  const identity = await createDevice('many');
  const device = await Device.of(identity, 'amqp').open();
  const sent = Array.from({ length: 100 }, (_, i) => `many-${i}`);
  for (const messageId of sent) {
    await backEnd.send(identity.deviceId, 'x', { messageId, ack: 'full' });
    await device.inbox.next();
  }
  for (const messageId of sent) {
    assert.equal((await backEnd.record(identity.deviceId, messageId)).statusCode, 'Success');
  }
  assert.deepEqual(backEnd.records.take((record) => record.deviceId === identity.deviceId), []);
  await device.close();
});
