// Complete, abandon and reject where the transport has them, and what the back end hears of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, refused, registry, TRANSPORTS } from '../lib/sdk.mjs';

let emulator;
let backEnd;
before(async () => {
  emulator = await Emulator.start('--set', 'cloudToDevice.maxDeliveryCount=3');
  backEnd = await BackEnd.open();
});
after(async () => {
  await backEnd?.close();
  await emulator.stop();
});

const deviceOn = async (name, options) => {
  const identity = await createDevice(`settle-${name}`);
  return [identity, await Device.of(identity, name).open(options)];
};

for (const name of ['amqp', 'amqp-ws', 'http']) {
  test(`a message rejected over ${name} ends with a Rejected record`, { timeout: 60_000 }, async () => {
    const [{ deviceId }, device] = await deviceOn(name, { complete: false });
    try {
      await backEnd.send(deviceId, 'no', { messageId: 'rejected', ack: 'full' });
      await device.client.reject(await device.inbox.next());
      assert.equal((await backEnd.record(deviceId, 'rejected')).statusCode, 'Rejected');
      const { responseBody } = await registry().get(deviceId);
      assert.equal(responseBody.cloudToDeviceMessageCount, 0);
    } finally {
      await device.close();
    }
  });

  test(`an abandoned message comes again over ${name}`, { timeout: 60_000 }, async () => {
    const [{ deviceId }, device] = await deviceOn(name, { complete: false });
    try {
      await backEnd.send(deviceId, 'again', { messageId: 'abandoned', ack: 'full' });
      await device.client.abandon(await device.inbox.next());
      const second = await device.inbox.next();
      assert.equal(second.messageId, 'abandoned');
      assert.equal(second.data.toString(), 'again');
      await device.client.complete(second);
      assert.equal((await backEnd.record(deviceId, 'abandoned')).statusCode, 'Success');
    } finally {
      await device.close();
    }
  });

  test(`abandoned as often as the hub delivers: DeliveryCountExceeded over ${name}`, { timeout: 60_000 }, async () => {
    const [{ deviceId }, device] = await deviceOn(name, { complete: false });
    try {
      await backEnd.send(deviceId, 'never', { messageId: 'unwanted', ack: 'negative' });
      for (let i = 0; i < 3; ++i) await device.client.abandon(await device.inbox.next());
      assert.equal((await backEnd.record(deviceId, 'unwanted')).statusCode, 'DeliveryCountExceeded');
    } finally {
      await device.close();
    }
  });
}

for (const name of ['mqtt', 'mqtt-ws']) {
  test(`${name} has neither reject nor abandon: the SDK says so itself`, { timeout: 60_000 }, async () => {
    const [{ deviceId }, device] = await deviceOn(name, { complete: false });
    try {
      await backEnd.send(deviceId, 'x');
      const message = await device.inbox.next();
      for (const verb of ['reject', 'abandon']) {
        const error = await refused((async () => device.client[verb](message))(), verb);
        assert.match(error.name, /NotImplemented/);
      }
    } finally {
      await device.close();
    }
  });
}

test('settling twice over http: 412 DeviceMessageLockLost', { timeout: 60_000 }, async () => {
  const [{ deviceId }, device] = await deviceOn('http', { complete: false });
  try {
    await backEnd.send(deviceId, 'once');
    const message = await device.inbox.next();
    await device.client.complete(message);
    const error = await refused(device.client.complete(message), 'the second complete');
    // This SDK has no name of its own for it over HTTP.
    assert.equal(error.response.statusCode, 412);
    assert.match(error.responseBody, /DeviceMessageLockLost/);
  } finally {
    await device.close();
  }
});

for (const name of Object.keys(TRANSPORTS)) {
  for (const [ack, wanted] of [['none', false], ['negative', false], ['positive', true]]) {
    test(`completed with ack ${ack} over ${name}: ${wanted ? 'one' : 'no'} record`, { timeout: 60_000 }, async () => {
      const [{ deviceId }, device] = await deviceOn(name);
      try {
        await backEnd.send(deviceId, 'x', { messageId: `ack-${ack}`, ack });
        await device.inbox.next();
        // Records come in the order of the outcomes: one that must come shows whether this one came.
        await backEnd.send(deviceId, 'y', { messageId: 'after', ack: 'full' });
        await device.inbox.next();
        await backEnd.record(deviceId, 'after');
        const early = backEnd.records.take((record) => record.deviceId === deviceId);
        assert.deepEqual(early.map((record) => record.statusCode), wanted ? ['Success'] : []);
      } finally {
        await device.close();
      }
    });
  }
}
