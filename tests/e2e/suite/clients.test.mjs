// The project's own clients, as a user meets them: scripts/run, the tools, and the installed library.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BINARIES, Emulator, HUB, PATIENCE, WORK } from '../lib/emulator.mjs';
import { deviceToken } from '../lib/sas.mjs';
import { CA, run, Tool } from '../lib/tools.mjs';
import { until } from '../lib/wait.mjs';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const TRANSPORTS = ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'https'];
const LIMIT = { timeout: 60_000 * PATIENCE };

const env = { ...process.env, SSL_CERT_FILE: CA, IOTHUB_CONNECTION_STRING: HUB };
const service = (...args) => run(path.join(BINARIES, 'iothub-service'), args, { env });
const deviceString = (id, key = KEY) => `HostName=localhost;DeviceId=${id};SharedAccessKey=${key}`;
const deviceEnv = (id, key) => ({ ...env, IOTHUB_DEVICE_CONNECTION_STRING: deviceString(id, key) });
const device = (id, ...args) => new Tool(path.join(BINARIES, 'iothub-device'), args, { env: deviceEnv(id) });
const KEY = Buffer.alloc(32, 7).toString('base64');

const jsonLines = (output) => output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
const done = ({ code, output }, wanted = 0) => {
  assert.equal(code, wanted, output);
  return output;
};
const makeDevice = async (id) => done(await service('device', 'create', id, '--primary-key', KEY));

describe('scripts/run', () => {
  const play = (...flags) => run(path.join(ROOT, 'scripts', 'run'), [
    '--once', ...flags, '--tls-dir', path.join(WORK, 'tls'), '--set', 'feedback.window=PT0.1S',
  ], { env: { ...process.env, HUB_BIN: BINARIES } });

  test('--once --transport all: the tutorial over every transport', { timeout: 240_000 * PATIENCE }, async () => {
    const output = done(await play('--transport', 'all'));
    for (const transport of TRANSPORTS) assert.match(output, new RegExp(`device connects over ${transport},`));
    assert.match(output, /Every step of the tutorial was seen/);
  });

  test('--once on other ports than the standard ones', { timeout: 120_000 * PATIENCE }, async () => {
    done(await play('--mqtts-port', '0', '--amqps-port', '0', '--https-port', '0', '--control-port', '0'));
  });

  test('another --transport is refused', LIMIT, async () => {
    assert.match(done(await play('--transport', 'carrier-pigeon'), 1), /all, not "carrier-pigeon"/);
  });
});

describe('the tools', () => {
  let emulator;
  before(async () => { emulator = await Emulator.start(); });
  after(() => emulator.stop());

  test('every command\'s --help shows an example', LIMIT, async () => {
    const commands = {
      'iothub-device': [[], ['receive'], ['telemetry'], ['run']],
      'iothub-service': [[], ['send'], ['feedback'], ['purge'], ['device'],
        ...['create', 'show', 'list', 'delete', 'enable', 'disable', 'connection-string'].map((name) => ['device', name])],
    };
    for (const [tool, paths] of Object.entries(commands)) {
      for (const words of paths) {
        const output = done(await run(path.join(BINARIES, tool), [...words, '--help']));
        assert.match(output, new RegExp(`Example:\\n +(export .*\\n? *)?.*${tool} ?${words.join(' ')}`), words.join(' '));
      }
    }
  });

  test('exit 1, 2 and 3 with one line that says why', LIMIT, async () => {
    await makeDevice('exits');
    assert.match(done(await service('device', 'create', 'exits'), 1), /^iothub-service: already exists: .*hub error 409001/m);
    assert.match(done(await service('device', 'show', 'nobody'), 1), /not found.*404001/);
    assert.match(done(await service('send', 'nobody', 'x'), 1), /not found.*404001/);
    assert.match(done(await service('device', 'shwo', 'x'), 2), /iothub-service: .*\(see iothub-service device --help\)/);
    assert.match(done(await service('send'), 2), /id is required \(see iothub-service send --help\)/);
    assert.match(done(await service('send', 'exits'), 2), /no message/);
    const malformed = await service('device', 'list', '--connection-string', 'HostName=x');
    assert.match(done(malformed, 2), /SharedAccessKeyName is missing/);
    assert.match(done(await device('exits', 'receive', '--abandon').exited, 2), /--abandon is not possible over mqtt/);
    done(await device('exits', 'receive', '--count', '1', '--timeout', '100ms').exited, 3);
    done(await service('feedback', '--count', '1', '--timeout', '100ms'), 3);
    const wrong = await run(path.join(BINARIES, 'iothub-device'), ['telemetry', '--count', '1'],
      { env: deviceEnv('exits', Buffer.alloc(32, 8).toString('base64')) });
    assert.match(done(wrong, 1), /unauthorized/);
  });

  for (const transport of TRANSPORTS) {
    test(`every system property reaches a device over ${transport}`, LIMIT, async () => {
      const id = `properties-${transport}`;
      await makeDevice(id);
      const listener = device(id, 'receive', '--transport', transport, '--count', '1', '--output', 'json', '--timeout', '30s');
      await listener.shows(/"connected"/);
      const sent = jsonLines(done(await service('send', id, 'räumlich', '--ack', 'full', '--message-id', 'm 1',
        '--correlation-id', 'c/2', '--user-id', 'u3', '--content-type', 'text/plain', '--content-encoding', 'utf-8',
        '--creation-time', '--expiry', '1h', '--property', 'room=kitchen', '--output', 'json',
        '--transport', transport.endsWith('-ws') ? 'amqp-ws' : 'amqp')))[0];
      assert.equal(sent.event, 'sent');
      const lines = jsonLines(done(await listener.exited));
      const received = lines.find((line) => line.event === 'received');
      const names = ['messageId', 'correlationId', 'userId', 'contentType', 'contentEncoding', 'ack', 'body', 'expiryTimeUtc',
        'creationTimeUtc'];
      for (const name of names) assert.equal(received[name], sent[name], name);
      assert.equal(received.properties.room, 'kitchen');
      assert.equal(received.to.toLowerCase(), `/devices/${id}/messages/devicebound`);
      assert.ok(lines.some((line) => line.event === 'completed'));
    });

    test(`telemetry in batches over ${transport}`, LIMIT, async () => {
      const id = `batch-${transport}`;
      await makeDevice(id);
      const counted = await emulator.counter('d2c.telemetry.ingress.success');
      const bytes = await emulator.counter('d2c.telemetry.ingress.bytes');
      const output = done(await device(id, 'telemetry', 'x'.repeat(3000), '--transport', transport, '--batch', '40',
        '--count', '70', '--interval', '1ms', '--property', 'room=kitchen', '--message-id', 'm', '--output', 'json').exited);
      assert.equal(jsonLines(output).filter((line) => line.event === 'telemetrySent').length, 70);
      assert.equal(await emulator.counter('d2c.telemetry.ingress.success'), counted + 70);
      // Ids m-1 to m-70, name and value of a property, the body.
      const ids = Array.from({ length: 70 }, (_, i) => `m-${i + 1}`.length).reduce((a, b) => a + b);
      assert.equal(await emulator.counter('d2c.telemetry.ingress.bytes'), bytes + ids + 70 * (4 + 7 + 3000));
    });
  }

  for (const transport of ['mqtt', 'amqp', 'https']) {
    test(`tokens are renewed over ${transport}, and nothing is lost or completed twice`, LIMIT, async () => {
      const id = `renewal-${transport}`;
      await makeDevice(id);
      const [telemetry, completed] = ['d2c.telemetry.ingress.success', 'c2d.commands.egress.complete.success'];
      const before = { telemetry: await emulator.counter(telemetry), completed: await emulator.counter(completed) };
      const runner = device(id, 'run', '--transport', transport, '--token-ttl', '2s', '--interval', '50ms',
        '--poll-interval', '20ms', '--count', '40', '--output', 'json');
      await runner.shows(/"connected"/);
      for (let round = 0; round < 4; ++round) {
        // The round ends when its messages have come, so the rounds last several lives of a token.
        done(await service('send', id, 'x', '--count', '10', '--ack', 'full', '--message-id', `r${round}`, '--wait-feedback'));
        const sent = () => runner.output.split('"telemetrySent"').length;
        const enough = sent() + 20;
        await until(() => sent() >= enough || runner.ended, 'more telemetry', 20_000);
      }
      const lines = jsonLines(done(await runner.exited));
      const of = (event) => lines.filter((line) => line.event === event);
      const ids = of('completed').map((line) => line.messageId);
      assert.equal(new Set(ids).size, 40);
      assert.equal(ids.length, 40);
      assert.equal(await emulator.counter(completed), before.completed + 40);
      assert.equal(await emulator.counter(telemetry), before.telemetry + of('telemetrySent').length);
      assert.equal(of('connectionLost').length, 0, 'renewed in time, not cut by the hub');
      if (transport !== 'https') assert.ok(of('connected').length > 1, 'renewed at least once');
    });
  }

  for (const transport of ['amqp', 'amqp-ws', 'https']) {
    test(`a message whose lock is gone cannot be settled over ${transport}`, LIMIT, async () => {
      const id = `lost-${transport}`;
      await makeDevice(id);
      const holder = device(id, 'receive', '--transport', transport, '--delay', '1s', '--output', 'json');
      await holder.shows(/"connected"/);
      done(await service('send', id, 'x', '--message-id', 'm1'));
      await holder.shows(/"received"/);
      assert.match(done(await service('purge', id)), /purged 1 messages/);
      await holder.shows(/"settleFailed","cause":".*/);
      done(await holder.stop());
    });
  }

  test('feedback that is abandoned comes again', LIMIT, async () => {
    await makeDevice('abandoned');
    done(await service('send', 'abandoned', 'x', '--message-id', 'm1', '--ack', 'full'));
    done(await device('abandoned', 'receive', '--transport', 'amqp', '--reject', '--count', '1').exited);
    for (const flags of [['--abandon'], ['--transport', 'amqp-ws'], ]) {
      const output = done(await service('feedback', '--count', '1', '--output', 'json', ...flags));
      assert.equal(jsonLines(output)[0].originalMessageId, 'm1');
      assert.equal(jsonLines(output)[0].statusCode, 'Rejected');
    }
    done(await service('feedback', '--timeout', '200ms'), 3);
  });

  test('a token made elsewhere is used as it is', LIMIT, async () => {
    await makeDevice('ready-made');
    const send = (token) => run(path.join(BINARIES, 'iothub-device'), ['telemetry', '--count', '1'], {
      env: { ...env, IOTHUB_DEVICE_CONNECTION_STRING: `HostName=localhost;DeviceId=ready-made;SharedAccessSignature=${token}` },
    });
    const identity = { deviceId: 'ready-made', authentication: { symmetricKey: { primaryKey: KEY } } };
    done(await send(deviceToken(identity)));
    assert.match(done(await send(`${deviceToken(identity)}0`), 1), /unauthorized/);
  });

  test('H-57 1100 devices are made, listed and deleted', { timeout: 120_000 * PATIENCE }, async () => {
    const ids = Array.from({ length: 1100 }, (_, i) => `fleet-${String(i).padStart(4, '0')}`);
    const made = jsonLines(done(await service('device', 'create', ...ids, '--output', 'json')));
    assert.deepEqual(made.map((line) => line.deviceId), ids);
    const listed = jsonLines(done(await service('device', 'list', '--output', 'json')));
    const names = listed.map((line) => line.deviceId);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(names.filter((name) => name.startsWith('fleet-')), ids);
    const last = listed.find((line) => line.deviceId === 'fleet-1099');
    assert.equal(last.status, 'enabled');
    assert.equal(last.authenticationType, 'sas');
    assert.equal(jsonLines(done(await service('device', 'list', '--top', '1050', '--output', 'json'))).length, 1050);
    const again = await service('device', 'create', 'fleet-0000', 'new-one', '--output', 'json');
    assert.match(done(again, 1), /device fleet-0000: DeviceAlreadyExists/);
    assert.deepEqual(jsonLines(again.output).map((line) => line.deviceId), ['new-one']);
    done(await service('device', 'delete', ...ids, 'new-one'));
    done(await service('device', 'show', 'fleet-0000'), 1);
  });

  test('disable and enable keep everything else, and change the etag', LIMIT, async () => {
    await makeDevice('switched');
    const show = async () => jsonLines(done(await service('device', 'show', 'switched', '--output', 'json')))[0];
    const before = await show();
    done(await service('device', 'disable', 'switched'));
    const disabled = await show();
    assert.equal(disabled.status, 'disabled');
    assert.notEqual(disabled.etag, before.etag);
    assert.match(done(await device('switched', 'telemetry', '--count', '1').exited, 1), /unauthorized/);
    const stale = await service('device', 'enable', 'switched', '--etag', before.etag);
    assert.match(done(stale, 1), /precondition failed: .*hub error 412001/);
    assert.match(done(await service('device', 'delete', 'switched', '--etag', before.etag), 1), /412001/);
    done(await service('device', 'enable', 'switched', '--etag', disabled.etag));
    assert.equal((await show()).generationId, before.generationId);
    done(await device('switched', 'telemetry', '--count', '1').exited);
  });

  test('Ctrl-C ends a handshake that the peer does not answer', LIMIT, async () => {
    const silent = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address();
    for (const transport of TRANSPORTS) {
      const connected = new Promise((resolve) => silent.once('connection', resolve));
      const stuck = device('stuck', 'receive', '--transport', transport, '--connect-timeout', '1h',
        '--mqtts-port', port, '--amqps-port', port, '--https-port', port);
      const socket = await connected;
      socket.on('error', () => {});
      const { code, output } = await stuck.stop('SIGINT');
      assert.equal(code, 1, output);
      assert.match(output, /cancelled/);
    }
    silent.close();
  });
});

describe('the installed library', () => {
  let emulator;
  before(async () => { emulator = await Emulator.start(); });
  after(() => emulator.stop());

  test('clients/README.md: both programs are built outside the tree, and run', { timeout: 240_000 * PATIENCE }, async () => {
    const text = fs.readFileSync(path.join(ROOT, 'clients', 'README.md'), 'utf8');
    const [prefix, project] = [path.join(WORK, 'prefix'), path.join(WORK, 'outside')];
    fs.mkdirSync(project, { recursive: true });
    for (const [, name, code] of text.matchAll(/^`([\w.]+)`[^]*?\n```(?:cpp|cmake)\n([^]*?)```/gm)) {
      fs.writeFileSync(path.join(project, name), code);
      assert.ok(code.split('\n').length - 1 <= 20, `${name} has more than 20 lines`);
    }
    assert.deepEqual(fs.readdirSync(project).sort(), ['CMakeLists.txt', 'back_end.cpp', 'device.cpp']);

    done(await run('cmake', ['--install', BINARIES, '--component', 'iothub_client', '--prefix', prefix]));
    // A library with sanitizers needs them in the program, too.
    const sanitize = /^HUB_SANITIZE:\w+=(.+)$/m.exec(fs.readFileSync(path.join(BINARIES, 'CMakeCache.txt'), 'utf8'))?.[1];
    done(await run('cmake', ['-S', project, '-B', path.join(project, 'build'), `-DCMAKE_PREFIX_PATH=${prefix}`,
      `-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror${sanitize ? ` -fsanitize=${sanitize}` : ''}`]));
    done(await run('cmake', ['--build', path.join(project, 'build')]));

    await makeDevice('myDevice');
    const program = (name) => new Tool(path.join(project, 'build', name), [], { env: deviceEnv('myDevice') });
    const listener = program('device');
    await listener.shows(/telemetry sent/);
    assert.match(done(await program('back_end').exited), /^m1 Success$/m);
    assert.match(done(await listener.exited), /^m1: Hello$/m);
  });
});
