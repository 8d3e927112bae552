// Command-line clients as child processes: mosquitto_pub, mosquitto_sub, curl, Python with Proton.
import { spawn } from 'node:child_process';

import { deviceToken } from './sas.mjs';
import { until } from './wait.mjs';

export const CA = process.env.E2E_CA;

export class Tool {
  output = '';

  constructor(command, args, options = {}) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (data) => { this.output += data.toString(); });
    }
    this.exited = new Promise((resolve, reject) => {
      this.process.on('error', reject);
      this.process.on('close', (code, signal) => {
        this.ended = true;
        this.code = code;
        resolve({ code, signal, output: this.output });
      });
    });
    this.process.stdin.end();
  }

  shows(pattern, limitMs = 10_000) {
    return until(() => {
      if (pattern.test(this.output)) return true;
      if (this.ended) throw new Error(`ended with ${this.code} before ${pattern}:\n${this.output}`);
      return false;
    }, `${pattern} in the output`, limitMs).catch((error) => { throw new Error(`${error.message}\n${this.output}`); });
  }

  async stop(signal = 'SIGTERM') {
    if (!this.ended) this.process.kill(signal);
    return this.exited;
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
