/**
 * Makes changes at a primary as fast as it answers: `node sync-writers.ts URL COOKIE CSRF CONNECTIONS SECONDS`, over kept connections from as many loopback addresses, since one
 * address may ask so many times a second only. Says how many were answered, as one line of JSON.
 */
import { Agent, request } from 'node:https';
import { CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { fleetSettings, type FleetSettings } from '@bascule/protocol/api/fleet.ts';

/** A setting that changes nothing here, and that does not wait for the peer by itself. */
const FIRST = 1_000_000;

const [url = '', cookie = '', csrf = '', connections = '', seconds = ''] = process.argv.slice(2);
const headers = { cookie, [CSRF_HEADER]: csrf, origin: new URL(url).origin, 'content-type': 'application/json' };
const endMs = performance.now() + Number(seconds) * 1000;
let answered = 0;
let failed = 0;

await Promise.all(Array.from({ length: Number(connections) }, (_, index) => write(index)));
process.stdout.write(`${JSON.stringify({ answered, failed })}\n`);

async function write(index: number): Promise<void> {
  // The appliance's own certificate is new; nothing here depends on whose it is.
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, localAddress: `127.0.3.${index + 1}` });
  const settings = fleetSettings.parse(JSON.parse((await ask(agent, 'GET')).text));
  while (performance.now() < endMs) {
    const body: FleetSettings = { ...settings, maxBytesPerSecond: FIRST + answered + index };
    const { status } = await ask(agent, 'PUT', JSON.stringify(body));
    if (status === 200) answered += 1;
    else failed += 1;
  }
  agent.destroy();
}

function ask(agent: Agent, method: string, body?: string): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const call = request(new URL('/api/fleet/settings', url), { method, agent, headers }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (piece: string) => (text += piece));
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
  });
  call.on('error', reject);
  call.end(body);
  return promise;
}
