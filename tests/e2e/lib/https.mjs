// One HTTPS request without any SDK; the body as bytes.
import https from 'node:https';

export function request(method, path, { token, headers = {}, body, port = 443 } = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = https.request({
      method, path, port, host: 'localhost', agent: false,
      headers: { ...(token ? { Authorization: token } : {}), ...headers },
    }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({
        status: response.statusCode, reason: response.statusMessage, headers: response.headers,
        rawHeaders: response.rawHeaders, body: Buffer.concat(parts),
      }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
