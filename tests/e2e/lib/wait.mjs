// Waiting for something to happen, with a limit; never for time to pass.
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE = Number(process.env.E2E_PATIENCE ?? '1');

// Until `condition` gives something truthy; that is the result.
export async function until(condition, what, limitMs = 10_000) {
  const end = performance.now() + limitMs * PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`${what}: did not happen within ${limitMs * PATIENCE} ms`);
    await delay(10);
  }
}

// The promise, or an error that says what was waited for.
export function within(promise, what, limitMs = 10_000) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: did not happen within ${limitMs * PATIENCE} ms`)), limitMs * PATIENCE);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// Things that arrive, kept until somebody asks for the first that fits.
export class Inbox {
  #items = [];
  #waiters = [];

  put(item) {
    const index = this.#waiters.findIndex((waiter) => waiter.fits(item));
    if (index < 0) this.#items.push(item);
    else this.#waiters.splice(index, 1)[0].resolve(item);
  }

  next(fits = () => true, what = 'a message', limitMs = 10_000) {
    const index = this.#items.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.#items.splice(index, 1)[0]);
    return within(new Promise((resolve) => this.#waiters.push({ fits, resolve })), what, limitMs);
  }

  // Everything that is here already and fits.
  take(fits = () => true) {
    const taken = this.#items.filter(fits);
    this.#items = this.#items.filter((item) => !fits(item));
    return taken;
  }

  get size() {
    return this.#items.length;
  }
}
