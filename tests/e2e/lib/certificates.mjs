// A CA of our own and what it signs, made with openssl on the spot.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { WORK } from './emulator.mjs';

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export class Authority {
  #made = 0;

  // A root; with `issuer`, an intermediate CA under it.
  constructor(name, issuer = null) {
    this.base = path.join(WORK, `ca-${name}`);
    this.file = `${this.base}.pem`;
    if (issuer) {
      issuer.#sign(this.base, name, 2, 'basicConstraints=critical,CA:TRUE');
    } else {
      openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`,
        '-keyout', `${this.base}.key`, '-out', this.file);
    }
  }

  // A certificate for `host`, a server's or a device's; `days` below zero: it has expired.
  issue({ host = 'localhost', days = 1 } = {}) {
    const base = `${this.base}-${++this.#made}`;
    this.#sign(base, host, days, `subjectAltName=DNS:${host}`);
    return { cert: `${base}.pem`, key: `${base}.key` };
  }

  #sign(base, name, days, extension) {
    fs.writeFileSync(`${base}.ext`, `${extension}\n`);
    openssl('req', '-new', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', `${base}.key`, '-out', `${base}.csr`);
    openssl('x509', '-req', '-in', `${base}.csr`, '-CA', this.file, '-CAkey', `${this.base}.key`,
      '-CAcreateserial', '-days', String(days), '-extfile', `${base}.ext`, '-out', `${base}.pem`);
  }
}
