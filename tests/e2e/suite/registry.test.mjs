// The identity registry through the SDK: create, get, list, update, delete, bulk, statistics, purge, and their errors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator, HUB } from '../lib/emulator.mjs';
import { request } from '../lib/https.mjs';
import { ownerToken } from '../lib/sas.mjs';
import { BackEnd, createDevice, deviceConnectionString, Device, refused, registry } from '../lib/sdk.mjs';

let emulator;
before(async () => { emulator = await Emulator.start(); });
after(() => emulator.stop());

const KEY = Buffer.alloc(32, 7).toString('base64');

test('create answers the whole identity, with keys of the hub\'s making', async () => {
  const identity = await createDevice('made');
  assert.equal(identity.status, 'enabled');
  assert.equal(identity.connectionState, 'Disconnected');
  assert.equal(identity.cloudToDeviceMessageCount, 0);
  assert.equal(identity.authentication.type, 'sas');
  for (const key of ['primaryKey', 'secondaryKey']) {
    const bytes = Buffer.from(identity.authentication.symmetricKey[key], 'base64');
    assert.ok(bytes.length >= 16 && bytes.length <= 64, key);
  }
  assert.ok(identity.etag);
});

test('create keeps the keys it was given', async () => {
  const identity = await createDevice('given', {
    authentication: { type: 'sas', symmetricKey: { primaryKey: KEY, secondaryKey: KEY } },
  });
  assert.equal(identity.authentication.symmetricKey.primaryKey, KEY);
});

test('create of an id that exists: DeviceAlreadyExists', async () => {
  const { deviceId } = await createDevice('twice');
  const error = await refused(registry().create({ deviceId }));
  assert.equal(error.name, 'DeviceAlreadyExistsError');
});

test('create of an id with a space: ArgumentError', async () => {
  const error = await refused(registry().create({ deviceId: 'not allowed' }));
  assert.equal(error.name, 'ArgumentError');
});

test('get answers what create answered', async () => {
  const made = await createDevice('got');
  const { responseBody } = await registry().get(made.deviceId);
  assert.deepEqual(responseBody.authentication, made.authentication);
  assert.equal(responseBody.generationId, made.generationId);
  assert.equal(responseBody.etag, made.etag);
});

test('get of an unknown id: DeviceNotFoundError', async () => {
  const error = await refused(registry().get('nobody'));
  assert.equal(error.name, 'DeviceNotFoundError');
});

test('list has every device', async () => {
  const made = [await createDevice('listed'), await createDevice('listed')];
  const { responseBody } = await registry().list();
  const ids = responseBody.map((device) => device.deviceId);
  for (const { deviceId } of made) assert.ok(ids.includes(deviceId), deviceId);
});

test('update disables; the etag changes; a disabled device is refused', async () => {
  const made = await createDevice('updated');
  const { responseBody } = await registry().update({ deviceId: made.deviceId, status: 'disabled', statusReason: 'a test' });
  assert.equal(responseBody.status, 'disabled');
  assert.equal(responseBody.statusReason, 'a test');
  assert.notEqual(responseBody.etag, made.etag);
  const error = await refused(Device.of(made, 'mqtt').open());
  assert.equal(error.name, 'UnauthorizedError');
});

test('update of an unknown id: DeviceNotFoundError', async () => {
  const error = await refused(registry().update({ deviceId: 'nobody', status: 'disabled' }));
  assert.equal(error.name, 'DeviceNotFoundError');
});

test('delete: the device is gone, deleting it again says so', async () => {
  const { deviceId } = await createDevice('deleted');
  await registry().delete(deviceId);
  assert.equal((await refused(registry().get(deviceId))).name, 'DeviceNotFoundError');
  assert.equal((await refused(registry().delete(deviceId))).name, 'DeviceNotFoundError');
});

test('an id made again is another generation with an empty queue', async () => {
  const first = await createDevice('again');
  const backEnd = await BackEnd.open({ feedback: false });
  await backEnd.send(first.deviceId, 'for the first');
  await registry().delete(first.deviceId);
  const { responseBody: second } = await registry().create({ deviceId: first.deviceId });
  assert.notEqual(second.generationId, first.generationId);
  assert.equal(second.cloudToDeviceMessageCount, 0);
  await backEnd.close();
});

test('bulk: add, update and remove devices in one call each', async () => {
  const devices = ['bulk-a', 'bulk-b'].map((deviceId) => ({ deviceId }));
  const added = await registry().addDevices(devices);
  assert.equal(added.responseBody.isSuccessful, true);
  const updated = await registry().updateDevices(devices.map((device) => ({ ...device, status: 'disabled' })), true);
  assert.equal(updated.responseBody.isSuccessful, true);
  assert.equal((await registry().get('bulk-b')).responseBody.status, 'disabled');
  const removed = await registry().removeDevices(devices, true);
  assert.equal(removed.responseBody.isSuccessful, true);
  assert.equal((await refused(registry().get('bulk-a'))).name, 'DeviceNotFoundError');
});

test('statistics count devices', async () => {
  const before = (await registry().getRegistryStatistics()).responseBody;
  await createDevice('counted');
  const { responseBody } = await registry().getRegistryStatistics();
  assert.equal(responseBody.totalDeviceCount, before.totalDeviceCount + 1);
  assert.equal(responseBody.enabledDeviceCount, before.enabledDeviceCount + 1);
});

test('purge removes what is queued and says how much', async () => {
  const { deviceId } = await createDevice('purged');
  const backEnd = await BackEnd.open();
  for (let i = 0; i < 3; ++i) await backEnd.send(deviceId, 'x', { messageId: `p${i}`, ack: 'full' });
  assert.equal((await registry().get(deviceId)).responseBody.cloudToDeviceMessageCount, 3);
  const answer = await request('DELETE', `/devices/${deviceId}/commands?api-version=2021-04-12`, { token: ownerToken() });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body), { totalMessagesPurged: 3, deviceId, moduleId: null });
  assert.equal((await backEnd.record(deviceId, 'p2')).statusCode, 'Purged');
  await backEnd.close();
});

test('a key regenerated in the registry lets the old one in no longer', async () => {
  const made = await createDevice('rekeyed');
  await registry().update({
    deviceId: made.deviceId, status: 'enabled',
    authentication: { type: 'sas', symmetricKey: { primaryKey: KEY, secondaryKey: KEY } },
  });
  assert.equal((await refused(Device.of(made, 'amqp').open())).name, 'UnauthorizedError');
  const { responseBody } = await registry().get(made.deviceId);
  const device = await Device.fromConnectionString(deviceConnectionString(responseBody), 'amqp').open();
  await device.close();
});

test('a wrong policy key: UnauthorizedError', async () => {
  const error = await refused(registry(HUB.replace(/SharedAccessKey=.*/, `SharedAccessKey=${KEY}`)).list());
  assert.equal(error.name, 'UnauthorizedError');
});

const bare = (path) => `${path}?api-version=2021-04-12`;

test('REG-10 an edge device, a leaf below it, and no update to what is no scope', async () => {
  const edge = await createDevice('edge', { capabilities: { iotEdge: true } });
  assert.equal(edge.capabilities.iotEdge, true);
  assert.equal(edge.deviceScope, `ms-azure-iot-edge://${edge.deviceId}-${edge.generationId}`);
  assert.deepEqual(edge.parentScopes, []);
  const { responseBody: modules } = await registry().getModulesOnDevice(edge.deviceId);
  assert.deepEqual(modules.map(({ moduleId }) => moduleId), ['$edgeAgent', '$edgeHub']);

  const leaf = await createDevice('leaf', { deviceScope: edge.deviceScope });
  assert.equal(leaf.deviceScope, edge.deviceScope);
  assert.deepEqual(leaf.parentScopes, [edge.deviceScope]);
  const error = await refused(registry().update({ ...leaf, deviceScope: '3f1c6f0e-4f0f-4b6b-8f52-0c4f63c4e6a1' }));
  assert.equal(error.name, 'ArgumentError');

  const below = await createDevice('below', { capabilities: { iotEdge: true }, parentScopes: [edge.deviceScope] });
  assert.deepEqual(below.parentScopes, [edge.deviceScope]);
  assert.notEqual(below.deviceScope, edge.deviceScope);
  const twins = registry().createQuery('SELECT * FROM devices', 100);
  const { result } = await twins.nextAsTwin();
  const twin = result.find(({ deviceId }) => deviceId === leaf.deviceId);
  assert.equal(twin.deviceScope, edge.deviceScope);

  await registry().update({ ...leaf, deviceScope: '', parentScopes: [] });
  assert.deepEqual((await registry().get(leaf.deviceId)).responseBody.parentScopes, []);
});

test('H-71 an etag goes in quotes, as the SDK writes it; without them it is refused', async () => {
  const { deviceId, etag } = await createDevice('etags');
  const put = (condition) => request('PUT', bare(`/devices/${deviceId}`),
    { token: ownerToken(), headers: { 'If-Match': condition }, body: JSON.stringify({ deviceId }) });
  assert.equal((await put(etag)).status, 412);
  assert.equal((await put(`"${etag}"`)).status, 200);
  assert.equal((await put('*')).status, 200);
  await registry().delete(deviceId);
});

test('H-72 an id that nobody encoded is refused, with a hint', async () => {
  for (const id of ['a#b', 'a%3']) {
    const answer = await request('PUT', bare(`/devices/${id}`), { token: ownerToken(), body: '{}' });
    assert.equal(answer.status, 400);
    assert.match(answer.body.toString(), /encodeURIComponent/);
  }
  const { deviceId } = await createDevice('a#b%');
  assert.equal((await registry().get(deviceId)).responseBody.deviceId, deviceId);
});
