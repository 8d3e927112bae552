// The clients against servers whose certificate is not to be trusted: refused over every transport,
// before anything of the login was said.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { Authority } from '../lib/certificates.mjs';
import { BINARIES, HUB } from '../lib/emulator.mjs';
import { run } from '../lib/tools.mjs';

const known = new Authority('known');
const unknown = new Authority('unknown');
const DEVICE = 'HostName=localhost;DeviceId=dev;SharedAccessKey=a2V5';

const CASES = [
  { name: 'a wrong name', certificate: known.issue({ host: 'other.example' }), cause: /hostname mismatch/i },
  { name: 'an expired certificate', certificate: known.issue({ days: -1 }), cause: /certificate has expired/ },
  { name: 'an unknown CA', certificate: unknown.issue(), cause: /unable to get local issuer certificate/ },
];

const CLIENTS = [
  ...['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'https'].map((transport) => ({
    name: `iothub-device over ${transport}`, tool: 'iothub-device',
    args: ['--connection-string', DEVICE, '--transport', transport, 'telemetry', '--count', '1'],
  })),
  ...['amqp', 'amqp-ws'].map((transport) => ({
    name: `iothub-service over ${transport}`, tool: 'iothub-service',
    args: ['--connection-string', HUB, '--transport', transport, 'send', 'dev', 'hello'],
  })),
  {
    name: 'iothub-service, the registry', tool: 'iothub-service',
    args: ['--connection-string', HUB, 'device', 'show', 'dev'],
  },
];

// Counts what was said to it after the handshake.
class Server {
  bytes = 0;

  static async start({ cert, key }) {
    const server = new Server();
    server.listener = tls.createServer(
      { cert: fs.readFileSync(cert), key: fs.readFileSync(key) },
      (socket) => {
        socket.on('data', (data) => { server.bytes += data.length; });
        socket.on('error', () => {});
      });
    server.listener.on('tlsClientError', () => {});
    await new Promise((resolve) => server.listener.listen(0, '127.0.0.1', resolve));
    server.port = server.listener.address().port;
    return server;
  }

  stop() {
    return new Promise((resolve) => this.listener.close(resolve));
  }
}

for (const { name, certificate, cause } of CASES) {
  test(`${name} is refused by every client`, async (t) => {
    const server = await Server.start(certificate);
    t.after(() => server.stop());
    const port = String(server.port);
    for (const client of CLIENTS) {
      const { code, output } = await run(path.join(BINARIES, client.tool), [
        '--ca', known.file, '--mqtts-port', port, '--amqps-port', port, '--https-port', port, ...client.args]);
      const line = output.trim();
      assert.equal(code, 1, `${client.name}: exit\n${line}`);
      assert.equal(line.split('\n').length, 1, `${client.name}: one line\n${line}`);
      assert.match(line, new RegExp(`^${client.tool}: certificate refused: .*localhost:${port}`), client.name);
      assert.match(line, cause, client.name);
      assert.match(line, /Give the CA with --ca FILE .*use a host name that the certificate names\.$/, client.name);
    }
    assert.equal(server.bytes, 0, 'nothing was said to a server that is not trusted');
  });
}
