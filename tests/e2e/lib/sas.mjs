// Shared access signatures by hand, so that tests can make wrong ones.
import crypto from 'node:crypto';

export const OWNER_KEY = 'aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=';

export function sas(resource, key, { policy, expiry = Math.floor(Date.now() / 1000) + 3600, encode = true } = {}) {
  const sr = encode ? encodeURIComponent(resource) : resource;
  const sig = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${expiry}`).digest('base64');
  const skn = policy ? `&skn=${policy}` : '';
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${expiry}${skn}`;
}

export const deviceToken = (identity, more = {}) =>
  sas(`localhost/devices/${identity.deviceId}`, identity.authentication.symmetricKey.primaryKey, more);

export const ownerToken = (more = {}) => sas('localhost', OWNER_KEY, { policy: 'iothubowner', ...more });
