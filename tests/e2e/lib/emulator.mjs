// One emulator process: start, wait for its ready file, stop, kill, read its counters.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { until } from './wait.mjs';

// The contract's connection string, the same on every machine.
export const HUB =
  'HostName=localhost;SharedAccessKeyName=iothubowner;SharedAccessKey=aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=';
export const BINARIES = process.env.E2E_BIN;
export const WORK = process.env.E2E_WORK;
export const CONTROL_PORT = 9400;
// A build with sanitizers needs longer for everything.
export const PATIENCE = Number(process.env.E2E_PATIENCE ?? '1');

// A short window, so that a test does not wait 15 s for its feedback.
const COMMON = ['--set', 'feedback.window=PT0.1S', '--log-level', 'debug'];

let started = 0;

export class Emulator {
  // Starts on the real ports and resolves when the ready file is there.
  static async start(...flags) {
    const emulator = new Emulator();
    await emulator.#launch(flags);
    return emulator;
  }

  async #launch(flags) {
    const name = `${process.env.E2E_FILE ?? 'emulator'}.${++started}`;
    this.readyFile = path.join(WORK, `${name}.ready.json`);
    this.logFile = path.join(WORK, `${name}.log`);
    fs.rmSync(this.readyFile, { force: true });
    const log = fs.openSync(this.logFile, 'w');
    const args = ['--ready-file', this.readyFile, '--tls-dir', path.join(WORK, 'tls'), ...COMMON, ...flags];
    this.startedAt = performance.now();
    this.process = spawn(path.join(BINARIES, 'iothub-emulator'), args, { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.exited = new Promise((resolve) => {
      this.process.on('error', (error) => resolve({ code: null, signal: null, error }));
      this.process.on('exit', (code, signal) => {
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    await until(
      () => {
        if (this.exit) throw new Error(`the emulator ended (${JSON.stringify(this.exit)}):\n${this.log()}`);
        return fs.existsSync(this.readyFile);
      },
      'the ready file', 20_000);
    this.readyMs = performance.now() - this.startedAt;
    this.ready = JSON.parse(fs.readFileSync(this.readyFile, 'utf8'));
  }

  log() {
    return fs.readFileSync(this.logFile, 'utf8');
  }

  // SIGTERM, as the contract has it: exit 0 within 2 s.
  async stop() {
    if (this.exit) return this.exit;
    this.process.kill('SIGTERM');
    return this.exited;
  }

  async kill9() {
    this.process.kill('SIGKILL');
    return this.exited;
  }

  // One counter, summed over its labels. Names are the hub's, with any prefix and `_` for `.`.
  async counter(name) {
    const { body } = await httpGet(`http://127.0.0.1:${CONTROL_PORT}/metrics`);
    const wanted = name.replaceAll('.', '_').toLowerCase();
    let sum = 0;
    for (const line of body.toString().split('\n')) {
      const match = /^([A-Za-z_:][\w:]*)(\{[^}]*\})?\s+([\d.eE+-]+)/.exec(line);
      if (match && match[1].toLowerCase().replace(/_total$/, '').endsWith(wanted)) sum += Number(match[3]);
    }
    return sum;
  }
}

export function httpGet(url) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
    }).on('error', reject);
  });
}
