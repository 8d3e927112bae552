// Public clients that know nothing of IoT hubs, against tests/open_hub: the hub's codecs and sessions
// with open topics and plain queues (docs/decisions/0009).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';
import rhea from 'rhea';

import { BINARIES, PATIENCE } from '../lib/emulator.mjs';
import { report } from '../lib/tap.mjs';
import { run, Tool } from '../lib/tools.mjs';
import { Inbox, within } from '../lib/wait.mjs';

const LIB = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'lib');
const LIMIT = { timeout: 60_000 * PATIENCE };

const hub = new Tool(path.join(BINARIES, 'open_hub'), []);
await hub.shows(/mqtt \d+ amqp \d+/);
const [, mqttPort, amqpPort] = /mqtt (\d+) amqp (\d+)/.exec(hub.output);

report((await run('/usr/bin/python3', [path.join(LIB, 'paho_suite.py'), mqttPort])).output, 'Paho,');

describe('Mosquitto', () => {
  const login = ['-h', '127.0.0.1', '-p', mqttPort, '-V', 'mqttv311'];
  test('mosquitto_pub and mosquitto_sub, QoS 0 and 1', LIMIT, async () => {
    const sub = new Tool('stdbuf', ['-oL', 'mosquitto_sub', ...login, '-d', '-v', '-q', '1', '-t', 'm/#', '-C', '3']);
    await sub.shows(/Subscribed/);
    for (const more of [['-q', '0', '-m', 'zero'], ['-q', '1', '-m', 'one'], ['-q', '1', '-r', '-m', 'retained']]) {
      assert.equal((await run('mosquitto_pub', [...login, '-t', 'm/x', ...more])).code, 0);
    }
    const { code, output } = await sub.exited;
    assert.equal(code, 0, output);
    assert.deepEqual(output.match(/^m\/x .*$/gm), ['m/x zero', 'm/x one', 'm/x retained']);
    // Nothing is retained, and QoS 2 ends the connection.
    assert.equal((await run('mosquitto_sub', [...login, '-t', 'm/#', '-W', '1'])).output.includes('retained'), false);
    assert.notEqual((await run('mosquitto_pub', [...login, '-t', 'm/x', '-q', '2', '-m', 'two'])).code, 0);
  });
});

describe('mqtt.js', () => {
  const clients = [];
  after(() => Promise.all(clients.map((client) => new Promise((done) => client.end(true, {}, done)))));
  async function client(options = {}) {
    const made = mqtt.connect(`mqtt://127.0.0.1:${mqttPort}`, { reconnectPeriod: 0, ...options });
    clients.push(made);
    made.inbox = new Inbox();
    made.on('message', (topic, payload, packet) => made.inbox.put({ topic, body: payload.toString(), qos: packet.qos }));
    const [connack] = await within(once(made, 'connect'), 'CONNACK');
    made.sessionPresent = connack.sessionPresent;
    made.all = (action, ...args) => new Promise((done, failed) => made[action](...args, (error, value) => error ? failed(error) : done(value)));
    return made;
  }

  test('100 messages, the answers and a body of 200 KB', LIMIT, async () => {
    const [one, other] = [await client(), await client()];
    assert.deepEqual((await one.all('subscribe', { 'js/#': { qos: 1 }, 'q2': { qos: 2 } })).map(({ qos }) => qos), [1, 1]);
    for (let n = 0; n < 100; ++n) other.publish(`js/${n}`, String(n), { qos: 1 });
    for (let n = 0; n < 100; ++n) assert.deepEqual(await one.inbox.next(), { topic: `js/${n}`, body: String(n), qos: 1 });
    await other.all('publish', 'js/large', 'x'.repeat(200_000), { qos: 1 });
    assert.equal((await one.inbox.next()).body.length, 200_000);
  });

  test('a persistent session has what came meanwhile', LIMIT, async () => {
    const options = { clientId: 'js-session', clean: false };
    const first = await client(options);
    assert.equal(first.sessionPresent, false);
    await first.all('subscribe', 'away', { qos: 1 });
    await new Promise((done) => first.end(false, {}, done));
    await (await client()).all('publish', 'away', 'meanwhile', { qos: 1 });
    const again = await client(options);
    assert.equal(again.sessionPresent, true);
    assert.equal((await again.inbox.next()).body, 'meanwhile');
  });
});

describe('AMQP', () => {
  test('rhea: 300 messages through a queue, each accepted', LIMIT, async () => {
    const container = rhea.create_container();
    const connection = container.connect({ host: '127.0.0.1', port: Number(amqpPort), reconnect: false });
    const bodies = [];
    let sent = 0, accepted = 0;
    const done = new Promise((resolve) => {
      const check = () => bodies.length === 300 && accepted === 300 && resolve();
      connection.on('message', ({ message }) => { bodies.push(message.body); check(); });
      connection.on('accepted', () => { ++accepted; check(); });
    });
    connection.on('sendable', ({ sender }) => {
      while (sent < 300 && sender.sendable()) sender.send({ message_id: sent, body: { n: sent++, text: 'ü' } });
    });
    connection.open_receiver('rhea/queue');
    connection.open_sender('rhea/queue');
    await within(done, '300 messages');
    assert.deepEqual(bodies, Array.from({ length: 300 }, (_, n) => ({ n, text: 'ü' })));
    connection.close();
    await within(once(connection, 'connection_close'), 'close');
  });

  test('Proton: messages of every kind of body, outcomes, a name that is no id', LIMIT, async () => {
    const { code, output } = await run('/usr/bin/python3', [path.join(LIB, 'proton_queue.py'), amqpPort]);
    assert.equal(code, 0, output);
  });
});

test('open_hub ends well', LIMIT, async () => assert.equal((await hub.stop()).code, 0, hub.output));
