// Who is let in: wrong keys, expired tokens and unknown devices are refused on every transport.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator, HUB } from '../lib/emulator.mjs';
import { deviceToken } from '../lib/sas.mjs';
import { BackEnd, createDevice, Device, refused, registry, TRANSPORTS } from '../lib/sdk.mjs';

const OTHER_KEY = Buffer.alloc(32, 1).toString('base64');

let emulator;
before(async () => { emulator = await Emulator.start(); });
after(() => emulator.stop());

// Over HTTP there is no connection: the first request is what is refused.
const refusal = (device) => refused(device.open());

for (const name of Object.keys(TRANSPORTS)) {
  const options = { timeout: 60_000 };

  test(`a wrong key is refused over ${name}`, options, async () => {
    const identity = await createDevice(`wrong-${name}`);
    const error = await refusal(Device.fromConnectionString(
      `HostName=localhost;DeviceId=${identity.deviceId};SharedAccessKey=${OTHER_KEY}`, name));
    assert.equal(error.name, 'UnauthorizedError');
  });

  test(`an unknown device is refused over ${name}`, options, async () => {
    const error = await refusal(Device.fromConnectionString(
      `HostName=localhost;DeviceId=nobody-${name};SharedAccessKey=${OTHER_KEY}`, name));
    assert.equal(error.name, 'UnauthorizedError');
  });

  test(`a disabled device is refused over ${name}`, options, async () => {
    const identity = await createDevice(`disabled-${name}`, { status: 'disabled' });
    const error = await refusal(Device.of(identity, name));
    assert.equal(error.name, 'UnauthorizedError');
  });

  test(`an expired token is refused over ${name}`, options, async () => {
    const identity = await createDevice(`expired-${name}`);
    const token = deviceToken(identity, { expiry: Math.floor(Date.now() / 1000) - 60 });
    const error = await refusal(Device.fromSharedAccessSignature(token, name));
    assert.equal(error.name, 'UnauthorizedError');
  });

  test(`a token made by hand is good over ${name}, primary or secondary key`, options, async () => {
    const identity = await createDevice(`token-${name}`);
    for (const key of ['primaryKey', 'secondaryKey']) {
      const { sas } = await import('../lib/sas.mjs');
      const token = sas(`localhost/devices/${identity.deviceId}`, identity.authentication.symmetricKey[key]);
      const device = await Device.fromSharedAccessSignature(token, name).open();
      await device.close();
    }
  });

  test(`another device's token is refused over ${name}`, options, async () => {
    const one = await createDevice(`one-${name}`);
    const two = await createDevice(`two-${name}`);
    const { sas } = await import('../lib/sas.mjs');
    // Signed with the key of one, for the resource of two.
    const token = sas(`localhost/devices/${two.deviceId}`, one.authentication.symmetricKey.primaryKey);
    const error = await refusal(Device.fromSharedAccessSignature(token, name));
    assert.equal(error.name, 'UnauthorizedError');
  });
}

for (const transport of ['amqp', 'amqp-ws']) {
  test(`a back end with a wrong key is refused over ${transport}`, { timeout: 60_000 }, async () => {
    const error = await refused(BackEnd.open({
      transport: TRANSPORTS[transport].service, connectionString: HUB.replace(/SharedAccessKey=.*/, `SharedAccessKey=${OTHER_KEY}`),
    }));
    // The service SDK wraps what made its connection fail.
    assert.equal((error.amqpError ?? error).name, 'UnauthorizedError');
  });
}

test('a policy without the right: registryRead may list and not create', async () => {
  const weak = registry(HUB.replace('iothubowner', 'registryRead'));
  await weak.list();
  assert.equal((await refused(weak.create({ deviceId: 'not-by-me' }))).name, 'UnauthorizedError');
});

test('refusals leave a line with the reason and no secret in the log', async () => {
  const log = emulator.log();
  assert.match(log, /expired/i);
  assert.doesNotMatch(log, /sig=[A-Za-z0-9%+/]{10}/);
  assert.ok(!log.includes(OTHER_KEY) && !log.includes('aW90aHViLWVtdWxhdG9y') || startBlockOnly(log), 'a key in the log');
});

// The connection string is printed once at start, on stdout, which the tests write to the same file.
function startBlockOnly(log) {
  return !log.includes(OTHER_KEY) &&
    log.split('\n').filter((line) => line.includes('aW90aHViLWVtdWxhdG9y')).every((line) => /HostName=|connection/i.test(line));
}
