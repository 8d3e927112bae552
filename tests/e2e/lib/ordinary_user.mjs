// The emulator as a user without rights, which most who try it are: nobody, with a home of its own.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { BINARIES } from './emulator.mjs';
import { Tool } from './tools.mjs';

const NOBODY = 65534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

// Why no test can be an ordinary user here, or false.
export const impossible =
  spawnSync('setpriv', [...AS_NOBODY, 'true']).status !== 0 ? 'this system lets nobody become another user' :
  Number(fs.readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start')) <= 443 ? 'anybody may bind port 443 here' :
  false;

export class OrdinaryUser {
  #emulators = [];

  // `capability` is what setcap gives the user's copy of the binary.
  constructor({ capability } = {}) {
    // Not in the suite's own folder, which is closed to others.
    this.home = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-nobody.'));
    this.binary = path.join(this.home, 'iothub-emulator');
    fs.chownSync(this.home, NOBODY, NOBODY);
    fs.copyFileSync(path.join(BINARIES, 'iothub-emulator'), this.binary);
    if (capability) execFileSync('setcap', [capability, this.binary]);
  }

  // Starts the emulator; `rights` are more words for setpriv. What it printed is in `output`.
  async start(flags, rights = []) {
    const readyFile = path.join(this.home, `ready-${this.#emulators.length}.json`);
    const emulator = new Tool('setpriv', [...AS_NOBODY, ...rights, this.binary, '--ready-file', readyFile, ...flags],
      { cwd: this.home, env: { ...process.env, HOME: this.home, XDG_STATE_HOME: '' } });
    this.#emulators.push(emulator);
    await emulator.shows('ready in');
    emulator.ready = JSON.parse(fs.readFileSync(readyFile, 'utf8'));
    return emulator;
  }

  async leave() {
    await Promise.all(this.#emulators.map((emulator) => emulator.stop()));
    fs.rmSync(this.home, { recursive: true });
  }
}
