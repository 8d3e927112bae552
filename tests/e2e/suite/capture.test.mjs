// A real capture of whole runs, the official SDK's and our own tools', read by Wireshark's dissectors:
// nothing malformed from either side. The clients speak TLS to a relay here, which passes the plain
// bytes on to the hub; those are captured. tests/dissect/check does the same for the wire tests.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';

import { BINARIES, Emulator, HUB, PATIENCE, WORK } from '../lib/emulator.mjs';
import { BackEnd, createDevice, Device, deviceConnectionString, TRANSPORTS } from '../lib/sdk.mjs';
import { CA, run } from '../lib/tools.mjs';
import { within } from '../lib/wait.mjs';

const PORTS = { 8883: 1883, 5671: 5672, 443: 8080 }; // TLS -> plain
const FILE = path.join(WORK, 'capture.pcapng');
const LIMIT = { timeout: 60_000 * PATIENCE };

// Capturing on the loopback of this namespace, or why not.
function startCapture() {
  const dumpcap = spawn('dumpcap', ['-q', '-i', 'lo', '-w', FILE, '-f', 'tcp port 1883 or tcp port 5672 or tcp port 8080']);
  const ended = new Promise((resolve) => { dumpcap.on('error', resolve); dumpcap.on('exit', resolve); });
  const begun = new Promise((resolve) => {
    dumpcap.stderr.on('data', (text) => { if (/^File: /m.test(text)) resolve('capturing'); });
  });
  return { dumpcap, ended, begun };
}

const capture = startCapture();
const skip = await Promise.race([capture.begun, capture.ended]) !== 'capturing' && 'dumpcap may not capture here';
const relays = [];
let emulator;

before(async () => {
  if (skip) return;
  emulator = await Emulator.start(...['mqtts', 'amqps', 'https'].flatMap((name) => [`--${name}-port`, 'off']),
    '--mqtt-port', '1883', '--amqp-port', '5672', '--http-port', '8080');
  const pem = (name) => fs.readFileSync(path.join(WORK, 'tls', name));
  for (const [from, to] of Object.entries(PORTS)) {
    const relay = tls.createServer({ cert: pem('server-rsa.pem'), key: pem('server-rsa-key.pem') }, (client) => {
      const hub = net.connect(to, '127.0.0.1');
      client.pipe(hub).pipe(client);
      for (const [one, other] of [[client, hub], [hub, client]]) one.on('error', () => other.destroy());
    });
    await new Promise((resolve) => relay.listen(Number(from), '127.0.0.1', resolve));
    relays.push(relay);
  }
});
after(async () => {
  capture.dumpcap.kill('SIGKILL');
  relays.forEach((relay) => relay.close());
  await emulator?.stop();
});

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`the SDK's tutorial over ${name}, captured`, { skip, ...LIMIT }, async () => {
    const identity = await createDevice(`captured-${name}`);
    const device = await Device.of(identity, name).open();
    const backEnd = await BackEnd.open({ transport: transport.service });
    await device.telemetry('{"temperature":21.5}', { alert: 'false' });
    await backEnd.send(identity.deviceId, 'Cloud to device message.', { messageId: 'm', ack: 'full', properties: { level: 'storm' } });
    assert.equal((await device.inbox.next()).data.toString(), 'Cloud to device message.');
    assert.equal((await backEnd.record(identity.deviceId, 'm')).statusCode, 'Success');
    await device.close();
    await backEnd.close();
  });
}

for (const transport of ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'https']) {
  test(`our own tools over ${transport}, captured`, { skip, ...LIMIT }, async () => {
    const identity = await createDevice(`tools-${transport}`);
    const device = (...command) => run(path.join(BINARIES, 'iothub-device'),
      ['--connection-string', deviceConnectionString(identity), '--ca', CA, '--transport', transport, ...command]);
    const service = (...command) => run(path.join(BINARIES, 'iothub-service'), ['--connection-string', HUB, '--ca', CA,
      '--transport', transport.endsWith('-ws') ? 'amqp-ws' : 'amqp', ...command]);
    // MQTT is given only what comes after its first subscription.
    const all = [await device('receive', '--count', '1', '--timeout', '1ms'), await device('telemetry', '{}', '--count', '1', '--property', 'a=b'),
      await service('send', identity.deviceId, 'Hello', '--ack', 'full', '--property', 'a=b'),
      await device('receive', '--count', '1', '--timeout', '20s'), await service('feedback', '--count', '1', '--timeout', '20s')];
    assert.deepEqual(all.map(({ code }) => code), [3, 0, 0, 0, 0], all.map(({ output }) => output).join('\n'));
  });
}

test('Wireshark finds each protocol in the capture and nothing malformed', { skip, ...LIMIT }, async () => {
  capture.dumpcap.kill('SIGINT');
  await within(capture.ended, 'the end of the capture');
  const packets = async (wanted) => {
    const { code, output } = await run('tshark', ['-r', FILE, '-d', 'tcp.port==1883,mqtt', '-d', 'tcp.port==5672,amqp',
      '-d', 'tcp.port==8080,http', '-Y', wanted, '-T', 'fields', '-e', 'frame.number', '-e', 'tcp.port',
      '-e', '_ws.col.Info', '-e', '_ws.expert.message']);
    assert.equal(code, 0, output);
    return output.split('\n').filter((line) => /^\d/.test(line));
  };
  // What is inside a WebSocket it does not look at; the sessions there are the same ones.
  for (const protocol of ['mqtt', 'amqp', 'http', 'websocket']) {
    assert.ok((await packets(protocol)).length > 10, protocol);
  }
  assert.deepEqual(await packets('_ws.malformed || _ws.expert.severity == error'), []);
});
