// What the back end sends is what the device gets, on every transport: ids in UUID form (which this
// SDK sends as the AMQP type uuid), empty, binary and non-ASCII bodies, and awkward properties.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { request } from '../lib/https.mjs';
import { deviceToken } from '../lib/sas.mjs';
import { BackEnd, createDevice, Device, properties, TRANSPORTS } from '../lib/sdk.mjs';

const UUID = '6f1c8f0a-52b4-4d1e-9c39-0d3a4b9f7e11';
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const TEXT = 'Grüße, 東京 – ½ € 🌩';

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

for (const name of Object.keys(TRANSPORTS)) {
  const withDevice = (label, body) => test(`${label} over ${name}`, { timeout: 60_000 }, async () => {
    const identity = await createDevice(`payload-${name}`);
    const device = await Device.of(identity, name).open();
    try {
      await body(identity, device);
      assert.deepEqual(device.errors, []);
    } finally {
      await device.close();
    }
  });

  withDevice('an id in UUID form arrives as a string, and so in the feedback', async ({ deviceId }, device) => {
    await backEnd.send(deviceId, 'x', { messageId: UUID, correlationId: UUID, ack: 'full' });
    const message = await device.inbox.next();
    assert.equal(message.messageId, UUID);
    assert.equal(message.correlationId, UUID);
    assert.equal((await backEnd.record(deviceId, UUID)).statusCode, 'Success');
  });

  withDevice('an empty body', async ({ deviceId }, device) => {
    await backEnd.send(deviceId, Buffer.alloc(0), { messageId: 'empty', ack: 'full' });
    const message = await device.inbox.next();
    assert.equal(message.data?.length ?? 0, 0);
    assert.equal(message.messageId, 'empty');
    await backEnd.record(deviceId, 'empty');
  });

  // This SDK reads every HTTP body as UTF-8 text, so bytes are compared below, without it.
  if (name !== 'http') {
    withDevice('a body of all 256 byte values', async ({ deviceId }, device) => {
      await backEnd.send(deviceId, ALL_BYTES);
      assert.deepEqual(Buffer.from((await device.inbox.next()).data), ALL_BYTES);
    });
  }

  withDevice('a body of non-ASCII text', async ({ deviceId }, device) => {
    await backEnd.send(deviceId, TEXT);
    assert.equal((await device.inbox.next()).data.toString(), TEXT);
  });

  withDevice('a body of 60 KB', async ({ deviceId }, device) => {
    const body = 'ab'.repeat(30_000);
    await backEnd.send(deviceId, body);
    assert.equal((await device.inbox.next()).data.toString(), body);
  });

  withDevice('a non-ASCII property value', async ({ deviceId }, device) => {
    await backEnd.send(deviceId, 'x', { properties: { city: 'Zürich 東京' } });
    assert.equal(properties(await device.inbox.next()).city, 'Zürich 東京');
  });

  withDevice('properties with separators of every transport in them', async ({ deviceId }, device) => {
    const sent = { 'a.b-c_d': 'x=1&y=2', 'slash': '/devices/other/', 'plus': 'a+b c', 'percent': '100%25', 'colon': 'k: v' };
    await backEnd.send(deviceId, 'x', { properties: sent });
    const got = properties(await device.inbox.next());
    for (const [key, value] of Object.entries(sent)) assert.equal(got[key], value, key);
  });

  withDevice('content type, encoding, expiry and to', async ({ deviceId }, device) => {
    const expiry = Date.now() + 600_000;
    await backEnd.send(deviceId, '{}', {
      contentType: 'application/json', contentEncoding: 'utf-8', expiryTimeUtc: expiry, correlationId: 'c/1',
    });
    const message = await device.inbox.next();
    assert.equal(message.correlationId, 'c/1');
    // Not read by this SDK over HTTP: ContentType and ContentEncoding are checked in raw_https.
    if (name !== 'http') {
      assert.equal(message.contentType, 'application/json');
      assert.equal(message.contentEncoding, 'utf-8');
      assert.match(message.to, new RegExp(`/devices/${deviceId}/messages/devicebound$`, 'i'));
      assert.ok(Math.abs(new Date(message.expiryTimeUtc).getTime() - expiry) < 1000, String(message.expiryTimeUtc));
    }
  });

  withDevice('ten messages in the order they were sent', async ({ deviceId }, device) => {
    for (let i = 0; i < 10; ++i) await backEnd.send(deviceId, `n${i}`);
    const got = [];
    while (got.length < 10) got.push((await device.inbox.next()).data.toString());
    // This SDK's HTTP receiver asks for the next message before it hands one on.
    if (name === 'http') got.sort();
    assert.deepEqual(got, Array.from({ length: 10 }, (_, i) => `n${i}`));
  });
}

test('a body of all 256 byte values over HTTPS without the SDK', { timeout: 60_000 }, async () => {
  const identity = await createDevice('payload-raw');
  await backEnd.send(identity.deviceId, ALL_BYTES, { messageId: 'bytes' });
  const answer = await request('GET', `/devices/${identity.deviceId}/messages/deviceBound?api-version=2021-04-12`,
    { token: deviceToken(identity) });
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, ALL_BYTES);
});
