// The clients against other servers than ours: MQTT with Debian's Mosquitto, AMQP with a broker on
// Proton. Both know nothing of IoT hubs: what the clients say has to be plain MQTT and AMQP.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';

import { Authority } from '../lib/certificates.mjs';
import { BINARIES, WORK } from '../lib/emulator.mjs';
import { run, Tool } from '../lib/tools.mjs';

const LIB = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'lib');
const authority = new Authority('foreign');
const certificate = authority.issue();

// A token made elsewhere: the password is known in advance.
const TOKEN = 'SharedAccessSignature sr=localhost%2Fdevices%2Fdev&sig=c2ln&se=4102444800';
const DEVICE = `HostName=localhost;DeviceId=dev;SharedAccessSignature=${TOKEN}`;
const WRONG = DEVICE.replace('c2ln', 'd3Jvbmc=');

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(String(port)));
    });
  });
}

// A tool's JSON lines; `events` of one kind.
const lines = (output) => output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

const deviceArgs = (transport, port, connectionString = DEVICE) => [
  '--connection-string', connectionString, '--transport', transport, '--ca', authority.file,
  '--mqtts-port', port, '--amqps-port', port, '--https-port', port, '--output', 'json'];

const device = (transport, port, ...command) =>
  new Tool(path.join(BINARIES, 'iothub-device'), [...deviceArgs(transport, port), ...command]);

describe('Mosquitto', () => {
  const passwords = path.join(WORK, 'mosquitto.passwords');
  const ports = {};
  let broker;

  before(async () => {
    ports['mqtt'] = await freePort();
    ports['mqtt-ws'] = await freePort();
    fs.writeFileSync(passwords, '');
    const user = 'localhost/dev/?api-version=2021-04-12&DeviceClientType=iothub-device%2F0.1';
    execFileSync('mosquitto_passwd', ['-b', passwords, user, TOKEN], { stdio: 'ignore' });
    execFileSync('mosquitto_passwd', ['-b', passwords, 'back end', 'secret'], { stdio: 'ignore' });
    const config = path.join(WORK, 'mosquitto.conf');
    const tls = `certfile ${certificate.cert}\nkeyfile ${certificate.key}\n`;
    fs.writeFileSync(config,
      `user root\nlog_dest stderr\nlog_type all\nallow_anonymous false\npassword_file ${passwords}\n` +
      `listener ${ports['mqtt']} 127.0.0.1\n${tls}` +
      `listener ${ports['mqtt-ws']} 127.0.0.1\nprotocol websockets\n${tls}`);
    broker = new Tool('/usr/sbin/mosquitto', ['-c', config]);
    await broker.shows(/mosquitto version .* running/);
  });
  after(() => broker?.stop());

  const login = () => ['-h', 'localhost', '-p', ports['mqtt'], '--cafile', authority.file, '-u', 'back end', '-P', 'secret'];
  const publish = async (id, body) => {
    const { code, output } = await run('mosquitto_pub', [...login(), '-q', '1',
      '-t', `devices/dev/messages/devicebound/%24.mid=${id}&%24.to=%2Fdevices%2Fdev&room=a%20b`, '-m', body]);
    assert.equal(code, 0, output);
  };

  for (const transport of ['mqtt', 'mqtt-ws']) {
    test(`telemetry, receive and complete over ${transport}`, async () => {
      const port = ports[transport];
      const observer = new Tool('stdbuf', ['-oL', 'mosquitto_sub', ...login(), '-q', '1', '-v', '-d',
        '-t', 'devices/dev/messages/events/#']);
      await observer.shows(/SUBACK/);
      const running = device(transport, port, 'run', '--interval', '100ms', '--count', '2', '--timeout', '30s');
      await observer.shows(/devices\/dev\/messages\/events\/\S*ct=application%2Fjson\S* \{"messageNumber":1/);
      await observer.stop();
      await publish('m1', 'first');
      await publish('m2', 'second');
      assert.equal((await running.exited).code, 0, running.output);
      const received = lines(running.output).filter((line) => line.body && line.messageId);
      assert.deepEqual(received.map((line) => [line.messageId, line.body]), [['m1', 'first'], ['m2', 'second']], running.output);
      assert.deepEqual(received[0].properties, { room: 'a b' });
      // The session was kept, and what was completed does not come again.
      await publish('m3', 'while away');
      const later = device(transport, port, 'receive', '--count', '1', '--timeout', '30s');
      assert.equal((await later.exited).code, 0, later.output);
      const again = lines(later.output).filter((line) => line.body && line.messageId);
      assert.deepEqual(again.map((line) => line.messageId), ['m3'], later.output);
    });

    test(`a wrong password over ${transport} is unauthorized`, async () => {
      const { code, output } = await run(path.join(BINARIES, 'iothub-device'),
        [...deviceArgs(transport, ports[transport], WRONG), 'telemetry', '--count', '1']);
      assert.equal(code, 1, output);
      assert.match(output, /^iothub-device: unauthorized: connect device dev: the hub answered CONNACK 5/m);
    });
  }
});

describe('a Proton broker', () => {
  let broker;
  let port;

  before(async () => {
    port = await freePort();
    broker = new Tool('/usr/bin/python3', [path.join(LIB, 'proton_broker.py'), port, certificate.cert, certificate.key, TOKEN]);
    await broker.shows(/"listening"/);
  });
  after(() => broker?.stop());

  const send = async (id, body) => {
    const { code, output } = await run(path.join(BINARIES, 'iothub-service'), [
      '--connection-string', `HostName=localhost;SharedAccessKeyName=service;SharedAccessSignature=${TOKEN}`,
      '--transport', 'amqp', '--ca', authority.file, '--amqps-port', port,
      'send', 'dev', body, '--message-id', id, '--property', 'room=kitchen']);
    assert.equal(code, 0, output);
  };
  const receive = async (how, count = '1') => {
    const tool = device('amqp', port, 'receive', how, '--count', count, '--timeout', '30s');
    assert.equal((await tool.exited).code, 0, tool.output);
    return lines(tool.output).filter((line) => line.body && line.messageId);
  };

  test('telemetry is accepted', async () => {
    const tool = device('amqp', port, 'telemetry', 'hello', '--count', '2', '--interval', '1ms', '--property', 'level=1');
    assert.equal((await tool.exited).code, 0, tool.output);
    const arrived = lines(broker.output).filter((line) => line.message === '/devices/dev/messages/events');
    assert.deepEqual(arrived.map((line) => [line.body, line.properties.level]), [['hello', '1'], ['hello', '1']]);
    assert.match(broker.output, /"login": "dev@sas\.localhost", "accepted": true/);
  });

  test('abandon, complete and reject end in released, accepted and rejected', async () => {
    await send('m1', 'first');
    assert.equal((await receive('--abandon'))[0].body, 'first');
    const [again] = await receive('--complete');
    assert.deepEqual([again.messageId, again.properties.room], ['m1', 'kitchen']);
    await send('m2', 'second');
    assert.equal((await receive('--reject'))[0].messageId, 'm2');
    const outcomes = lines(broker.output).filter((line) => line.outcome);
    assert.deepEqual(outcomes.map((line) => [line.id, line.outcome]),
      [['m1', 'released'], ['m1', 'accepted'], ['m2', 'rejected']]);
    assert.ok(outcomes.every((line) => !line.settled), 'the receiver waits for the broker to settle');
  });

  test('a wrong password is unauthorized', async () => {
    const { code, output } = await run(path.join(BINARIES, 'iothub-device'),
      [...deviceArgs('amqp', port, WRONG), 'telemetry', '--count', '1']);
    assert.equal(code, 1, output);
    assert.match(output, /^iothub-device: unauthorized: /m);
  });
});
