// Command-line clients as child processes: mosquitto_pub, mosquitto_sub, curl, Python with Proton.
import { spawn } from 'node:child_process';
import { after } from 'node:test';

import { deviceToken } from './sas.mjs';
import { until, within } from './wait.mjs';

export const CA = process.env.E2E_CA;

// A test that fails leaves its tools running, and Node waits for them: the file would hang to its limit.
const running = new Set();
after(() => running.forEach((tool) => tool.process.kill('SIGKILL')));

export class Tool {
  output = '';

  constructor(command, args, options = {}) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (data) => { this.output += data.toString(); });
    }
    running.add(this);
    this.exited = new Promise((resolve, reject) => {
      this.process.on('error', reject);
      this.process.on('close', (code, signal) => {
        running.delete(this);
        this.ended = true;
        this.code = code;
        resolve({ code, signal, output: this.output });
      });
    });
    this.process.stdin.end();
  }

  // Waits until the output has `pattern` so many times.
  shows(pattern, times = 1) {
    return until(() => {
      if (this.output.split(pattern).length > times) return true;
      if (this.ended) throw new Error(`ended with ${this.code}`);
      return false;
    }, `${pattern} in the output`).catch((error) => this.#tell(error));
  }

  async stop(signal = 'SIGTERM') {
    if (!this.ended) this.process.kill(signal);
    return within(this.exited, `the end after ${signal}`).catch((error) => this.#tell(error));
  }

  #tell(error) {
    throw new Error(`${error.message}; what it said:\n${this.output}`);
  }
}

export const run = (command, args, options) => new Tool(command, args, options).exited;

// What every mosquitto tool needs to log in as a device.
export function mosquitto(identity, { password = deviceToken(identity), user, version = 'mqttv311' } = {}) {
  return ['-h', 'localhost', '-p', '8883', '-V', version, '--cafile', CA, '-i', identity.deviceId,
    '-u', user ?? `localhost/${identity.deviceId}/?api-version=2021-04-12`, '-P', password, '-d'];
}

export const publish = (identity, more, login) => run('mosquitto_pub', [...mosquitto(identity, login), ...more]);
// Line by line, or a pipe sees nothing until it ends.
export const subscribe = (identity, more, login) =>
  new Tool('stdbuf', ['-oL', 'mosquitto_sub', ...mosquitto(identity, login), ...more]);
