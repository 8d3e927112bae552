// --data DIR: what was acknowledged survives kill -9.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';

import { Emulator, WORK } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, refused, registry, until } from '../lib/sdk.mjs';
import { subscribe } from '../lib/tools.mjs';

const options = { timeout: 60_000 };
let emulator;
let count = 0;
const freshData = () => fs.mkdtempSync(path.join(WORK, `data-${++count}-`));
afterEach(async () => { await emulator?.kill9(); });

async function restart(...flags) {
  await emulator.kill9();
  emulator = await Emulator.start(...flags);
}

test('messages, in order and with everything they carry, survive kill -9', options, async () => {
  const data = ['--data', freshData()];
  emulator = await Emulator.start(...data);
  const identity = await createDevice('kept');
  let backEnd = await BackEnd.open({ feedback: false });
  for (const messageId of ['one', 'two', 'three']) {
    await backEnd.send(identity.deviceId, `body of ${messageId}`, { messageId, ack: 'full', properties: { n: messageId } });
  }
  // Right after the last acknowledgement.
  await restart(...data);
  await backEnd.close();

  const { responseBody } = await registry().get(identity.deviceId);
  assert.equal(responseBody.cloudToDeviceMessageCount, 3);
  assert.equal(responseBody.generationId, identity.generationId);
  assert.deepEqual(responseBody.authentication, identity.authentication);
  assert.equal(responseBody.etag, identity.etag);

  backEnd = await BackEnd.open();
  const device = await Device.of(identity, 'amqp').open();
  for (const messageId of ['one', 'two', 'three']) {
    const message = await device.inbox.next();
    assert.equal(message.messageId, messageId);
    assert.equal(message.data.toString(), `body of ${messageId}`);
    assert.equal(message.properties.getValue('n'), messageId);
    assert.equal((await backEnd.record(identity.deviceId, messageId)).statusCode, 'Success');
  }
  await device.close();
  await backEnd.close();
});

test('a message locked at the kill is delivered again; a completed one is not', options, async () => {
  const data = ['--data', freshData()];
  emulator = await Emulator.start(...data);
  const identity = await createDevice('locked');
  let backEnd = await BackEnd.open();
  let device = await Device.of(identity, 'amqp').open({ complete: false });
  await backEnd.send(identity.deviceId, 'done', { messageId: 'done', ack: 'full' });
  await device.client.complete(await device.inbox.next());
  await backEnd.record(identity.deviceId, 'done');
  await backEnd.send(identity.deviceId, 'open', { messageId: 'open', ack: 'full' });
  await device.inbox.next();

  await restart(...data);
  await device.close();
  await backEnd.close();
  backEnd = await BackEnd.open();
  device = await Device.of(identity, 'amqp').open();
  assert.equal((await device.inbox.next()).messageId, 'open');
  assert.equal((await backEnd.record(identity.deviceId, 'open')).statusCode, 'Success');
  assert.equal((await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount, 0);
  await device.close();
  await backEnd.close();
});

test('a record that nobody had fetched survives kill -9', options, async () => {
  const data = ['--data', freshData()];
  emulator = await Emulator.start(...data);
  const identity = await createDevice('record');
  let backEnd = await BackEnd.open({ feedback: false });
  await backEnd.send(identity.deviceId, 'x', { messageId: 'unread', ack: 'full' });
  const device = await Device.of(identity, 'http').open();
  await device.inbox.next();
  await until(async () => (await registry().get(identity.deviceId)).responseBody.cloudToDeviceMessageCount === 0, 'completed');
  await device.close();
  await restart(...data);
  await backEnd.close();
  backEnd = await BackEnd.open();
  assert.equal((await backEnd.record(identity.deviceId, 'unread')).statusCode, 'Success');
  await backEnd.close();
});

test('an MQTT session survives kill -9: no SUBSCRIBE is needed to receive', options, async () => {
  const data = ['--data', freshData()];
  emulator = await Emulator.start(...data);
  const identity = await createDevice('session');
  const filter = `devices/${identity.deviceId}/messages/devicebound/#`;
  const first = subscribe(identity, ['-c', '-q', '1', '-t', filter]);
  await first.shows(/Subscribed/);
  await first.stop();

  await restart(...data);
  const backEnd = await BackEnd.open();
  await backEnd.send(identity.deviceId, 'after the restart', { messageId: 'later', ack: 'full' });
  // The Node SDK would subscribe again; mosquitto_sub cannot not subscribe, but one that asks for another
  // filter only shows that the stored one is alive.
  const second = subscribe(identity, ['-c', '-q', '1', '-v', '-t', '$iothub/twin/res/#']);
  await second.shows(/after the restart/);
  assert.equal((await backEnd.record(identity.deviceId, 'later')).statusCode, 'Success');
  await second.stop();
  await backEnd.close();
});

test('deletions and updates in the registry survive kill -9', options, async () => {
  const data = ['--data', freshData()];
  emulator = await Emulator.start(...data);
  const gone = await createDevice('gone');
  const off = await createDevice('off');
  await registry().delete(gone.deviceId);
  await registry().update({ deviceId: off.deviceId, status: 'disabled' });
  await restart(...data);
  assert.equal((await refused(registry().get(gone.deviceId))).name, 'DeviceNotFoundError');
  assert.equal((await registry().get(off.deviceId)).responseBody.status, 'disabled');
});

test('without --data a restart forgets', options, async () => {
  emulator = await Emulator.start();
  const { deviceId } = await createDevice('forgotten');
  await restart();
  assert.equal((await refused(registry().get(deviceId))).name, 'DeviceNotFoundError');
});
