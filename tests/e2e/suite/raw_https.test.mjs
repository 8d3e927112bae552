// curl and plain HTTPS requests: the device protocol, error bodies, and headers with the casing the SDKs need.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { request } from '../lib/https.mjs';
import { deviceToken, ownerToken } from '../lib/sas.mjs';
import { BackEnd, createDevice } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';

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

const V = 'api-version=2021-04-12';
const options = { timeout: 30_000 };
const curl = (...args) => run('curl', ['-sS', '--cacert', CA, ...args]);
const bound = (identity, rest = '') => `/devices/${identity.deviceId}/messages/deviceBound${rest}`;

test('curl receives, and completes with the lock token of the ETag', options, async () => {
  const identity = await createDevice('curl');
  await backEnd.send(identity.deviceId, 'for curl', { messageId: 'My Message ID', ack: 'full', properties: { room: 'a' } });
  const login = ['-H', `Authorization: ${deviceToken(identity)}`];
  const received = await curl('-i', ...login, `https://localhost${bound(identity)}?${V}`);
  assert.match(received.output, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(received.output, /\r\niothub-messageid: My Message ID\r\n/);
  assert.match(received.output, /\r\niothub-app-room: a\r\n/);
  assert.match(received.output, /\r\n\r\nfor curl$/);
  const [, token] = /\r\nETag: "([^"]+)"\r\n/.exec(received.output);
  const completed = await curl('-i', ...login, '-X', 'DELETE', `https://localhost${bound(identity, `/${token}`)}?${V}`);
  assert.match(completed.output, /^HTTP\/1\.1 204 No Content\r\n/);
  assert.equal((await backEnd.record(identity.deviceId, 'My Message ID')).statusCode, 'Success');
  const empty = await curl('-i', ...login, `https://localhost${bound(identity)}?${V}`);
  assert.match(empty.output, /^HTTP\/1\.1 204 /);
});

test('a received message carries every header, with its exact casing', options, async () => {
  const identity = await createDevice('headers');
  await backEnd.send(identity.deviceId, '{}', { contentType: 'application/json', contentEncoding: 'utf-8' });
  const answer = await request('GET', `${bound(identity)}?${V}`, { token: deviceToken(identity) });
  const names = answer.rawHeaders.filter((_, i) => i % 2 === 0);
  for (const name of ['ETag', 'iothub-messageid', 'iothub-correlationid', 'iothub-userid', 'iothub-to', 'iothub-ack',
    'iothub-sequencenumber', 'iothub-deliverycount', 'iothub-enqueuedtime', 'iothub-expiry', 'ContentType', 'ContentEncoding']) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
  assert.equal(answer.headers['iothub-ack'], 'none');
  assert.equal(answer.headers['iothub-deliverycount'], '0');
  assert.equal(answer.headers['iothub-sequencenumber'], '1');
  assert.equal(answer.headers.contenttype, 'application/json');
});

test('abandon returns the message with a higher delivery count and a new token', options, async () => {
  const identity = await createDevice('abandon');
  const token = deviceToken(identity);
  await backEnd.send(identity.deviceId, 'x');
  const first = await request('GET', `${bound(identity)}?${V}`, { token });
  const lock = first.headers.etag.replaceAll('"', '');
  assert.equal((await request('POST', `${bound(identity, `/${lock}/abandon`)}?${V}`, { token })).status, 204);
  const second = await request('GET', `${bound(identity)}?${V}`, { token });
  assert.equal(second.headers['iothub-deliverycount'], '1');
  assert.notEqual(second.headers.etag, first.headers.etag);
  const late = await request('DELETE', `${bound(identity, `/${lock}`)}?${V}`, { token });
  assert.equal(late.status, 412);
  assert.equal(late.headers['iothub-errorcode'], 'DeviceMessageLockLost');
});

for (const spelling of ['reject', 'reject=', 'reject=true', '%3Freject=true']) {
  test(`reject written as ${spelling}`, options, async () => {
    const identity = await createDevice('reject');
    const token = deviceToken(identity);
    await backEnd.send(identity.deviceId, 'x', { messageId: spelling, ack: 'full' });
    const lock = (await request('GET', `${bound(identity)}?${V}`, { token })).headers.etag.replaceAll('"', '');
    assert.equal((await request('DELETE', `${bound(identity, `/${lock}`)}?${V}&${spelling}`, { token })).status, 204);
    assert.equal((await backEnd.record(identity.deviceId, spelling)).statusCode, 'Rejected');
  });
}

test('a lock time-out from the header returns the message when it is over', options, async () => {
  const identity = await createDevice('lock');
  const token = deviceToken(identity);
  await backEnd.send(identity.deviceId, 'x');
  const get = (headers) => request('GET', `${bound(identity)}?${V}`, { token, headers });
  assert.equal((await get({ 'IotHub-MessageLockTimeout': '1' })).status, 200);
  assert.equal((await get()).status, 204);
  let again;
  for (const end = Date.now() + 10_000; Date.now() < end && again?.status !== 200;) again = await get();
  assert.equal(again.status, 200);
  assert.equal(again.headers['iothub-deliverycount'], '0');
});

test('telemetry by POST: 204 and counted', options, async () => {
  const identity = await createDevice('post');
  const before = await emulator.counter('d2c.telemetry.ingress.success');
  const answer = await request('POST', `/devices/${identity.deviceId}/messages/events?${V}`,
    { token: deviceToken(identity), body: 'hello', headers: { 'iothub-app-k': 'v' } });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers['content-type'], undefined);
  assert.equal(await emulator.counter('d2c.telemetry.ingress.success'), before + 1);
});

for (const [what, go, status, code] of [
  ['an unknown device', () => request('GET', `/devices/nobody?${V}`, { token: ownerToken() }), 404, 'DeviceNotFound'],
  ['no token', () => request('GET', `/devices/nobody?${V}`), 401, 'IotHubUnauthorizedAccess'],
  ['an expired token', () => request('GET', `/devices/nobody?${V}`, { token: ownerToken({ expiry: 1 }) }), 401, 'IotHubUnauthorizedAccess'],
  ['a missing api-version', () => request('GET', '/devices/nobody', { token: ownerToken() }), 400, 'InvalidProtocolVersion'],
]) {
  test(`${what}: ${status} ${code} with the error body of the hub`, options, async () => {
    const answer = await go();
    assert.equal(answer.status, status);
    assert.equal(answer.headers['iothub-errorcode'], code);
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
    const body = JSON.parse(answer.body);
    assert.match(body.Message, new RegExp(`^ErrorCode:${code};.+`));
    assert.match(body.ExceptionMessage, /^Tracking ID:/);
  });
}

test('create by PUT, update with If-Match, a wrong etag: 412', options, async () => {
  const token = ownerToken();
  const put = (body, headers = {}) => request('PUT', `/devices/by-hand?${V}`,
    { token, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify({ deviceId: 'by-hand', ...body }) });
  const made = await put({});
  assert.equal(made.status, 200);
  const { etag } = JSON.parse(made.body);
  assert.equal((await put({})).status, 409);
  assert.equal((await put({ status: 'disabled' }, { 'If-Match': '"bm8="' })).status, 412);
  const updated = await put({ status: 'disabled' }, { 'If-Match': `"${etag}"` });
  assert.equal(updated.status, 200);
  assert.equal(JSON.parse(updated.body).status, 'disabled');
  assert.equal((await request('DELETE', `/devices/by-hand?${V}`, { token, headers: { 'If-Match': '"*"' } })).status, 204);
});

test('feedback over HTTPS: received with a lock token, completed, gone', options, async () => {
  await backEnd.close();
  const identity = await createDevice('feedback');
  backEnd = await BackEnd.open({ feedback: false });
  const token = deviceToken(identity);
  await backEnd.send(identity.deviceId, 'x', { messageId: 'by https', ack: 'full' });
  const lock = (await request('GET', `${bound(identity)}?${V}`, { token })).headers.etag.replaceAll('"', '');
  await request('DELETE', `${bound(identity, `/${lock}`)}?${V}`, { token });
  const feedback = `/messages/serviceBound/feedback`;
  let answer;
  for (const end = Date.now() + 10_000; Date.now() < end && answer?.status !== 200;) {
    answer = await request('GET', `${feedback}?${V}`, { token: ownerToken() });
  }
  assert.equal(answer.status, 200);
  const [record] = JSON.parse(answer.body);
  assert.equal(record.originalMessageId, 'by https');
  assert.equal(record.statusCode, 'Success');
  const batch = answer.headers.etag.replaceAll('"', '');
  assert.equal((await request('DELETE', `${feedback}/${batch}?${V}`, { token: ownerToken() })).status, 204);
  assert.equal((await request('GET', `${feedback}?${V}`, { token: ownerToken() })).status, 204);
});

test('TLS 1.2 and TLS 1.3 are both offered, and HTTP/1.1 only', options, async () => {
  for (const version of ['1.2', '1.3']) {
    const { code, output } = await curl('-o', '/dev/null', '-w', '%{http_version} %{ssl_verify_result}', '--http2',
      `--tlsv${version}`, '--tls-max', version, `https://localhost/devices/nobody?${V}`);
    assert.equal(code, 0, output);
    assert.equal(output, '1.1 0');
  }
});
