// Module identities through the SDK: the registry's part, and the module client over every transport it has.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { Authority } from '../lib/certificates.mjs';
import { Emulator, WORK } from '../lib/emulator.mjs';
import { request } from '../lib/https.mjs';
import { deviceToken, sas } from '../lib/sas.mjs';
import { BackEnd, createDevice, createModule, Device, Message, refused, registry, until, within } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';

const options = { timeout: 60_000 };
const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64');
const MODULE_TRANSPORTS = ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws'];

let emulator;
beforeEach(async () => { emulator = await Emulator.start(); });
afterEach(async () => { await emulator.stop(); });

const getModule = async ({ deviceId, moduleId }) => (await registry().getModule(deviceId, moduleId)).responseBody;
const received = () => emulator.counter('d2c.telemetry.ingress.success');

test('MOD-14 addModule, getModule, getModulesOnDevice, updateModule, removeModule', options, async () => {
  const { deviceId } = await createDevice('with-modules');
  const made = await createModule(deviceId, 'one', { managedBy: 'me' });
  assert.equal(made.deviceId, deviceId);
  assert.equal(made.moduleId, 'one');
  assert.equal(made.managedBy, 'me');
  assert.equal(made.connectionState, 'Disconnected');
  assert.equal(made.authentication.type, 'sas');
  assert.equal(Buffer.from(made.authentication.symmetricKey.primaryKey, 'base64').length, 32);
  assert.deepEqual(await getModule(made), made);

  await createModule(deviceId, '$two', { authentication: { type: 'sas', symmetricKey: { primaryKey: KEY, secondaryKey: KEY } } });
  const { responseBody: list } = await registry().getModulesOnDevice(deviceId);
  assert.deepEqual(list.map(({ moduleId }) => moduleId), ['$two', 'one']);
  assert.equal(list[0].authentication.symmetricKey.primaryKey, KEY);

  const { responseBody: updated } = await registry().updateModule({ ...made, managedBy: 'you' });
  assert.equal(updated.managedBy, 'you');
  assert.notEqual(updated.etag, made.etag);
  assert.deepEqual(updated.authentication, made.authentication);
  assert.equal((await refused(registry().updateModule({ ...made, managedBy: 'stale' }))).name, 'InvalidEtagError');
  await registry().updateModule({ ...made, managedBy: 'forced' }, true);

  await registry().removeModule(deviceId, 'one');
  assert.equal((await refused(registry().getModule(deviceId, 'one'))).responseBody.includes('ModuleNotFound'), true);
  await registry().delete(deviceId);
  assert.equal((await refused(registry().getModulesOnDevice(deviceId))).name, 'DeviceNotFoundError');
});

test('MOD-14 a module that is there is refused, one whose device is not, too; its twin names it', options, async () => {
  const { deviceId } = await createDevice('modules');
  await createModule(deviceId, 'm');
  assert.equal((await refused(createModule(deviceId, 'm'))).name, 'DeviceAlreadyExistsError');
  assert.equal((await refused(createModule('nobody', 'm'))).name, 'DeviceNotFoundError');
  const { responseBody: twin } = await registry().getModuleTwin(deviceId, 'm');
  assert.equal(twin.deviceId, deviceId);
  assert.equal(twin.moduleId, 'm');
});

for (const transport of MODULE_TRANSPORTS) {
  test(`MOD-12 MOD-16 a module client works over ${transport}`, options, async () => {
    const { deviceId } = await createDevice('device');
    const identity = await createModule(deviceId, 'm');
    const module = await Device.ofModule(identity, transport).open({ listen: false });
    const before = await received();
    await module.telemetry('an event', { k: 'v' });
    await within(module.client.sendOutputEvent('out', new Message('an output event')), 'the output event');
    assert.equal(await received(), before + 2);
    assert.equal((await getModule(identity)).connectionState, 'Connected');
    assert.equal((await registry().get(deviceId)).responseBody.connectionState, 'Disconnected');

    const twin = await within(module.client.getTwin(), 'the twin');
    assert.equal(twin.properties.desired.$version, 1);
    if (transport.startsWith('amqp')) { // twins are not kept yet: the change is refused, at once
      const error = await within(new Promise((done) => { twin.properties.reported.update({ a: 1 }, done); }), 'the refusal');
      assert.ok(error instanceof Error);
    }
    module.client.onMethod('reboot', () => {});
    module.client.on('inputMessage', () => module.errors.push(new Error('an input message')));
    await module.telemetry('behind the subscriptions');
    await module.close();
    await until(async () => (await getModule(identity)).connectionState === 'Disconnected', 'the disconnection');
    assert.deepEqual(module.errors, []);
  });

  test(`MOD-05 MOD-23 the device's key opens its module over ${transport}, the module's not the device`, options, async () => {
    const authentication = (key) => ({ type: 'sas', symmetricKey: { primaryKey: key, secondaryKey: key } });
    const device = await createDevice('device', { authentication: authentication(KEY) });
    const identity = await createModule(device.deviceId, 'm', { authentication: authentication(OTHER_KEY) });
    // Over AMQP nothing is refused before something is asked for.
    const enter = async (client) => {
      await client.open({ listen: false });
      await client.telemetry('x');
    };
    const as = (whose, key) => ({ ...whose, authentication: authentication(key) });
    for (const client of [Device.of(as(device, OTHER_KEY), transport),
      Device.ofModule({ ...identity, moduleId: 'nobody' }, transport)]) {
      assert.equal((await refused(enter(client))).name, 'UnauthorizedError');
      await client.close();
    }
    assert.equal(await received(), 0);
    for (const key of [OTHER_KEY, KEY]) {
      const module = Device.ofModule(as(identity, key), transport);
      await enter(module);
      await module.close();
    }
  });
}

for (const transport of ['mqtt', 'amqp']) {
  test(`MOD-08 MOD-09 a module beside its device over ${transport}: neither disturbs the other`, options, async () => {
    const device = await createDevice('beside');
    const identity = await createModule(device.deviceId, 'm');
    const backEnd = await BackEnd.open();
    const itself = await Device.of(device, transport).open();
    const module = await Device.ofModule(identity, transport).open({ listen: false });
    module.client.on('inputMessage', () => module.errors.push(new Error('an input message')));
    await module.telemetry('from the module');
    await backEnd.send(device.deviceId, 'to the device', { messageId: '1', ack: 'full' });
    assert.equal((await itself.inbox.next()).data.toString(), 'to the device');
    assert.equal((await backEnd.record(device.deviceId, '1')).statusCode, 'Success');
    await registry().removeModule(device.deviceId, 'm');
    await until(() => module.disconnected || module.errors.length > 0, 'the end of the removed module');
    await itself.telemetry('still here');
    for (const each of [module, itself, backEnd]) await each.close();
  });
}

test('MOD-06 a module by a certificate of the registered CA, with D/M as its common name', options, async () => {
  await emulator.stop();
  const root = new Authority('root');
  emulator = await Emulator.start('--device-ca', root.file);
  const { deviceId } = await createDevice('by-ca');
  await createModule(deviceId, 'm', { authentication: { type: 'certificateAuthority' } });
  const send = (name) => {
    const { cert, key } = root.issue({ host: name.replaceAll('/', '\\/') });
    return run('mosquitto_pub', ['-h', 'localhost', '-p', '8883', '-V', 'mqttv311', '--cafile', CA, '--cert', cert, '--key', key,
      '-i', `${deviceId}/m`, '-u', `localhost/${deviceId}/m/?api-version=2021-04-12`,
      '-q', '1', '-t', `devices/${deviceId}/modules/m/messages/events/`, '-m', 'x']);
  };
  const { code, output } = await send(`${deviceId}/m`);
  assert.equal(code, 0, output);
  for (const other of [deviceId, 'm', `${deviceId}/n`]) assert.notEqual((await send(other)).code, 0, other);
  assert.equal(await received(), 1);
});

test('MOD-17 telemetry of a module over HTTPS', options, async () => {
  const { deviceId } = await createDevice('https');
  const { authentication } = await createModule(deviceId, 'm');
  const post = (module, key) => request('POST',
    `/devices/${deviceId}/modules/${module}/messages/events?api-version=2020-09-30`,
    { token: sas(`localhost/devices/${deviceId}/modules/${module}`, key), body: 'hello' });
  assert.equal((await post('m', authentication.symmetricKey.primaryKey)).status, 204);
  assert.equal((await post('m', KEY)).status, 401);
  assert.equal((await post('n', authentication.symmetricKey.primaryKey)).status, 401);
  assert.equal(await received(), 1);
});

test('MOD-11 modules, their keys and MQTT sessions survive kill -9', options, async () => {
  await emulator.stop();
  const data = ['--data', fs.mkdtempSync(path.join(WORK, 'modules-'))];
  emulator = await Emulator.start(...data);
  const { deviceId } = await createDevice('durable');
  const identity = await createModule(deviceId, 'm', { managedBy: 'me' });
  await createModule(deviceId, 'removed');
  await registry().removeModule(deviceId, 'removed');
  let module = await Device.ofModule(identity, 'mqtt').open({ listen: false });
  await within(module.client.getTwin(), 'the twin'); // subscribes
  await emulator.kill9();
  await module.close();
  emulator = await Emulator.start(...data);
  const { etag, authentication, generationId, managedBy } = identity;
  const kept = await getModule(identity);
  assert.deepEqual({ etag, authentication, generationId, managedBy },
    { etag: kept.etag, authentication: kept.authentication, generationId: kept.generationId, managedBy: kept.managedBy });
  assert.equal((await registry().getModulesOnDevice(deviceId)).responseBody.length, 1);
  module = await Device.ofModule(identity, 'mqtt').open({ listen: false });
  await module.telemetry('again');
  assert.match(emulator.log(), /device connected over MQTT.*durable-\d+\/m.*session present.{1,4}true/);
  await module.close();
});

test('H-70 a device manages its own modules with its own token, and no other device\'s', options, async () => {
  const own = await createDevice('gateway');
  const other = await createDevice('other');
  await createModule(other.deviceId, 'm');
  const call = (method, path, more = {}) => request(method, `/devices/${path}?api-version=2020-09-30`,
    { token: deviceToken(own), ...more });
  const made = await call('PUT', `${own.deviceId}/modules/m`, { body: '{"managedBy":"IotEdge"}' });
  assert.equal(made.status, 200);
  const { etag } = JSON.parse(made.body);
  assert.equal(JSON.parse((await call('GET', `${own.deviceId}/modules`)).body).length, 1);
  assert.equal((await call('GET', `${own.deviceId}/modules/m`)).status, 200);
  assert.equal((await call('PUT', `${own.deviceId}/modules/m`, { body: '{}', headers: { 'If-Match': `"${etag}"` } })).status, 200);
  assert.equal((await call('DELETE', `${own.deviceId}/modules/m`, { headers: { 'If-Match': '*' } })).status, 204);
  for (const method of ['GET', 'DELETE']) assert.equal((await call(method, `${other.deviceId}/modules/m`)).status, 401);
  assert.equal((await call('GET', own.deviceId)).status, 401);
});
