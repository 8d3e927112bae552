// The cloud-to-device tutorial over each of the five device transports: telemetry reaches the hub,
// the device gets id, body and properties as sent, and completing leads to a Success record.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, properties, registry, TRANSPORTS, until } from '../lib/sdk.mjs';

let emulator;
before(async () => { emulator = await Emulator.start(); });
after(() => emulator.stop());

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`the tutorial over ${name}`, { timeout: 60_000 }, async () => {
    const identity = await createDevice(`tutorial-${name}`);
    assert.match(identity.generationId, /^\d+$/);

    const ingress = await emulator.counter('d2c.telemetry.ingress.success');
    const device = await Device.of(identity, name).open();
    const backEnd = await BackEnd.open({ transport: transport.service });
    try {
      await device.telemetry(JSON.stringify({ temperature: 21.5 }), { alert: 'false' });
      // Two: the one of open(), and this one.
      await until(async () => await emulator.counter('d2c.telemetry.ingress.success') === ingress + 2,
        'two telemetry messages counted');

      const sent = Date.now();
      await backEnd.send(identity.deviceId, 'Cloud to device message.', {
        messageId: 'My Message ID', ack: 'full', properties: { level: 'storm', path: 'a/b' },
      });
      const message = await device.inbox.next();
      assert.equal(message.data.toString(), 'Cloud to device message.');
      assert.equal(message.messageId, 'My Message ID');
      assert.deepEqual(expected(properties(message)), { level: 'storm', path: 'a/b' });

      const record = await backEnd.record(identity.deviceId, 'My Message ID');
      assert.equal(record.statusCode, 'Success');
      assert.equal(record.description, 'Success');
      assert.equal(record.deviceGenerationId, identity.generationId);
      const outcome = Date.parse(record.enqueuedTimeUtc);
      assert.ok(outcome >= sent - 1000 && outcome <= Date.now() + 1000, record.enqueuedTimeUtc);

      // The queue is empty again.
      const { responseBody } = await registry().get(identity.deviceId);
      assert.equal(responseBody.cloudToDeviceMessageCount, 0);
      assert.deepEqual(device.errors, []);
    } finally {
      await device.close();
      await backEnd.close();
    }
  });

  if (name !== 'http') {
    test(`the registry shows a device connected over ${name}, and not after it left`, { timeout: 60_000 }, async () => {
      const identity = await createDevice(`state-${name}`);
      const state = async () => (await registry().get(identity.deviceId)).responseBody.connectionState;
      assert.equal(await state(), 'Disconnected');
      const device = await Device.of(identity, name).open();
      assert.equal(await state(), 'Connected');
      await device.close();
      await until(async () => await state() === 'Disconnected', 'Disconnected');
    });
  }
}

// Node's MQTT transport shows iothub-ack among the application properties.
function expected(found) {
  delete found['iothub-ack'];
  return found;
}
