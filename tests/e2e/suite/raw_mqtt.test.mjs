// mosquitto_pub and mosquitto_sub with a SAS password: no SDK in the way (spec/mqtt.md, section 9).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Emulator } from '../lib/emulator.mjs';
import { deviceToken, sas } from '../lib/sas.mjs';
import { BackEnd, createDevice, registry, until } from '../lib/sdk.mjs';
import { mosquitto, publish, run, subscribe } from '../lib/tools.mjs';

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

const options = { timeout: 30_000 };
const telemetry = (identity, bag = '') => `devices/${identity.deviceId}/messages/events/${bag}`;
const devicebound = (identity) => `devices/${identity.deviceId}/messages/devicebound/#`;
const ingress = () => emulator.counter('d2c.telemetry.ingress.success');

for (const qos of [0, 1]) {
  test(`publish with QoS ${qos} and a property bag is telemetry`, options, async () => {
    const identity = await createDevice('pub');
    const before = await ingress();
    const { code, output } = await publish(identity,
      ['-q', `${qos}`, '-t', telemetry(identity, '$.ct=application%2Fjson&$.ce=utf-8&room=a%2Fb'), '-m', '{"t":1}']);
    assert.equal(code, 0, output);
    await until(async () => await ingress() === before + 1, 'one more telemetry message');
  });
}

test('a retained publish is telemetry too', options, async () => {
  const identity = await createDevice('retain');
  const before = await ingress();
  const { code, output } = await publish(identity, ['-r', '-q', '1', '-t', telemetry(identity), '-m', 'x']);
  assert.equal(code, 0, output);
  assert.equal(await ingress(), before + 1);
});

test('a QoS 2 publish closes the connection and stores nothing', options, async () => {
  const identity = await createDevice('qos2');
  const before = await ingress();
  const { code, output } = await publish(identity, ['-q', '2', '-t', telemetry(identity), '-m', 'x']);
  assert.notEqual(code, 0, output);
  assert.equal(await ingress(), before);
});

test('a publish to another device\'s topic closes the connection and stores nothing', options, async () => {
  const identity = await createDevice('own');
  const other = await createDevice('other');
  const before = await ingress();
  const { code, output } = await publish(identity, ['-q', '1', '-t', telemetry(other), '-m', 'x']);
  assert.notEqual(code, 0, output);
  assert.equal(await ingress(), before);
});

for (const [what, login] of [
  ['a wrong key', (identity) => ({
    password: sas(`localhost/devices/${identity.deviceId}`, Buffer.alloc(32, 1).toString('base64')) })],
  ['an expired token', (identity) => ({ password: deviceToken(identity, { expiry: 1 }) })],
  ['a client id that is not the user name\'s', () => ({ user: 'localhost/somebody/?api-version=2021-04-12' })],
]) {
  test(`${what}: not authorised`, options, async () => {
    const identity = await createDevice('refused');
    const { code, output } = await publish(identity, ['-t', telemetry(identity), '-m', 'x'], login(identity));
    assert.notEqual(code, 0);
    assert.match(output, /not authorised/i);
  });
}

for (const [what, token] of [
  ['an unencoded resource', (identity) => deviceToken(identity, { encode: false })],
  ['sig, se, sr in this order', (identity) => {
    const [, sr, sig, se] = /sr=(.*)&sig=(.*)&se=(.*)$/.exec(deviceToken(identity));
    return `SharedAccessSignature sig=${sig}&se=${se}&sr=${sr}`;
  }],
]) {
  test(`a token with ${what} is good`, options, async () => {
    const identity = await createDevice('token');
    const { code, output } = await publish(identity, ['-q', '1', '-t', telemetry(identity), '-m', 'x'], { password: token(identity) });
    assert.equal(code, 0, output);
  });
}

for (const [version, said] of [
  ['mqttv5', (id) => `client id '${id}': MQTT level 5, which is MQTT 5; the hub speaks 3.1.1`],
  ['mqttv31', () => "'MQIsdp', which is MQTT 3.1; set the client's protocol version to MQTT 3.1.1"],
]) {
  test(`M-74 ${version} is refused, and the log says what to set`, options, async () => {
    const identity = await createDevice(version);
    const { code, output } = await publish(identity, ['-t', telemetry(identity), '-m', 'x'], { version });
    assert.notEqual(code, 0, output);
    await until(() => emulator.log().includes(said(identity.deviceId)), 'the reason in the log');
  });
}

test('M-72 the user name of SDKs of 2016 is good', options, async () => {
  const identity = await createDevice('old');
  const user = `localhost/${identity.deviceId}/DeviceClientType=azure-iot-device%2F1.0.15`;
  const { code, output } = await publish(identity, ['-q', '1', '-t', telemetry(identity), '-m', 'x'], { user });
  assert.equal(code, 0, output);
});

test('M-73 a leading ? and deeper levels of a telemetry topic are taken, and warned of', options, async () => {
  const identity = await createDevice('odd');
  const { code, output } = await publish(identity, ['-q', '1', '-t', telemetry(identity, 'cmnd/POWER'), '-m', 'x']);
  assert.equal(code, 0, output);
  await until(() => /as the name of a property.*cmnd\/POWER/.test(emulator.log()), 'the warning');
});

test('a subscriber gets the message with its bag, and the back end the record', options, async () => {
  const identity = await createDevice('sub');
  const subscriber = subscribe(identity, ['-q', '1', '-v', '-t', devicebound(identity)]);
  await subscriber.shows(/Subscribed.*: 1/);
  await backEnd.send(identity.deviceId, 'Cloud to device message.',
    { messageId: 'My Message ID', ack: 'full', properties: { room: 'a/b' } });
  await subscriber.shows(/Cloud to device message\./);
  const topic = subscriber.output.split('\n').find((line) => line.endsWith('Cloud to device message.'));
  assert.match(topic, new RegExp(`^devices/${identity.deviceId}/messages/devicebound/%24\\.mid=My%20Message%20ID&`));
  assert.match(topic, /%24\.to=%2Fdevices%2F[^&]*%2Fmessages%2Fdevicebound/i);
  assert.match(topic, /iothub-ack=full/);
  assert.match(topic, /room=a%2Fb/);
  assert.equal((await backEnd.record(identity.deviceId, 'My Message ID')).statusCode, 'Success');
  await subscriber.stop();
});

test('subscribing with QoS 2 is granted 1', options, async () => {
  const identity = await createDevice('granted');
  const subscriber = subscribe(identity, ['-q', '2', '-t', devicebound(identity)]);
  await subscriber.shows(/Subscribed.*: 1/);
  await subscriber.stop();
});

for (const [what, filter] of [['#', () => '#'], ['devices/+/...', () => 'devices/+/messages/devicebound/#']]) {
  test(`the filter ${what} receives the device's own messages`, options, async () => {
    const identity = await createDevice('filter');
    const subscriber = subscribe(identity, ['-q', '1', '-v', '-t', filter()]);
    await subscriber.shows(/Subscribed/);
    await backEnd.send(identity.deviceId, 'matched');
    await subscriber.shows(/devicebound\/.* matched/);
    await subscriber.stop();
  });
}

test('QoS 0 subscription: delivered once and completed', options, async () => {
  const identity = await createDevice('zero');
  const subscriber = subscribe(identity, ['-q', '0', '-v', '-t', devicebound(identity)]);
  await subscriber.shows(/Subscribed.*: 0/);
  await backEnd.send(identity.deviceId, 'fleeting', { messageId: 'q0', ack: 'full' });
  await subscriber.shows(/fleeting/);
  assert.equal((await backEnd.record(identity.deviceId, 'q0')).statusCode, 'Success');
  await subscriber.stop();
});

test('a second client with the same id ends the first one\'s connection', options, async () => {
  const identity = await createDevice('takeover');
  const first = subscribe(identity, ['-q', '1', '-t', devicebound(identity)]);
  await first.shows(/Subscribed/);
  const second = subscribe(identity, ['-q', '1', '-t', devicebound(identity)]);
  await second.shows(/Subscribed/);
  // mosquitto_sub reconnects by itself, so the two evict each other in turn: seeing CONNACK again proves it.
  await first.shows(/received CONNACK/, 2);
  // It may miss a SIGTERM while it reconnects, so not by that.
  await first.stop('SIGKILL');
  await second.stop('SIGKILL');
});

test('twin GET by hand is answered with the minimal twin', options, async () => {
  const identity = await createDevice('twin');
  const { code, output } = await run('mosquitto_rr', [...mosquitto(identity), '-n',
    '-t', '$iothub/twin/GET/?$rid=1', '-e', '$iothub/twin/res/200/?$rid=1', '-W', '10']);
  // -n: an empty body; mosquitto_rr of this version insists on one or the other.
  assert.equal(code, 0, output);
  assert.match(output, /"\$version":\s*1/);
});

test('a will becomes telemetry when the client is killed', options, async () => {
  const identity = await createDevice('will');
  const before = await ingress();
  const subscriber = subscribe(identity, ['-q', '1', '-t', devicebound(identity),
    '--will-topic', telemetry(identity), '--will-payload', 'gone', '--will-qos', '1']);
  await subscriber.shows(/Subscribed/);
  await subscriber.stop('SIGKILL');
  await until(async () => await ingress() === before + 1, 'the will as telemetry');
});

test('the identity of a connected raw client is Connected in the registry', options, async () => {
  const identity = await createDevice('seen');
  const subscriber = subscribe(identity, ['-q', '1', '-t', devicebound(identity)]);
  await subscriber.shows(/Subscribed/);
  assert.equal((await registry().get(identity.deviceId)).responseBody.connectionState, 'Connected');
  await subscriber.stop();
});
