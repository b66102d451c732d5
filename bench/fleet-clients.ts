/**
 * Many Jump Clients in one process, for the fleet benchmark: real TLS, enrolment and control links (the Jump Client's own modules), no shells.
 * `node fleet-clients.ts --site HOST:PORT --token TOKEN --count N`; commands come on standard input, one a line (`connect`, `disconnect`);
 * what is, goes to standard output as JSON lines `{enrolled, connected, failures}`.
 */
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { parseInstallerToken, type ClientFacts } from '@bascule/protocol/control-link.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { ControlLink } from '@bascule/client/control-link.ts';
import { enrolVerified, readAuthority } from '@bascule/client/enrol.ts';

/** Source addresses are spread, for the appliance counts handshakes per address. */
const SOURCE_ADDRESSES = 200;
const ENROLMENTS_AT_ONCE = 32;
const REPORT_INTERVAL_MS = 200;
/** wire 3.8 */
const BACK_OFF_FIRST_MS = 1000;
const BACK_OFF_MAX_MS = 60_000;
/** The window of the first connects, when no `accepted` has named one yet. */
const FIRST_WINDOW_MS = 30_000;

const { values } = parseArgs({ options: { site: { type: 'string' }, token: { type: 'string' }, count: { type: 'string' } } });
const [host = '', port = ''] = values.site?.split(':') ?? [];
const token = values.token ?? '';
const count = Number(values.count);
const state = { enrolled: 0, connected: 0, failures: 0 };
let running = new AbortController();

/** As the real client behaves, without its shells. */
class SimulatedClient {
  #target: { host: string; port: number; proxy: undefined; localAddress: string };
  #facts: ClientFacts;
  #key: KeyObject;
  #keyPem: string;
  #certificate = '';
  #instance = randomBytes(16).toString('hex');
  #session: Buffer | undefined;
  #windowMs = FIRST_WINDOW_MS;
  #connected = false;
  #backOff = new BackOff(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);

  constructor(index: number) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    this.#target = {
      host,
      port: Number(port),
      proxy: undefined,
      localAddress: `127.0.${1 + Math.floor((index % SOURCE_ADDRESSES) / 250)}.${1 + (index % 250)}`,
    };
    this.#facts = {
      hostName: `host-${index}`,
      os: 'Debian GNU/Linux 12 (bookworm)',
      arch: 'x64',
      addresses: [`10.0.${index >> 8}.${index & 255}`],
      user: 'root',
      version: '0.1.0',
    };
  }

  async enrol(authority: string): Promise<void> {
    for (;;) {
      try {
        const enrolled = await enrolVerified({
          target: this.#target,
          token,
          authority,
          key: this.#key,
          name: undefined,
          facts: this.#facts,
        });
        this.#certificate = enrolled.certificate;
        state.enrolled += 1;
        return;
      } catch {
        state.failures += 1;
        await pause(this.#backOff.next(), undefined);
      }
    }
  }

  /** Keeps a link until `signal`. */
  async run(authority: string, signal: AbortSignal): Promise<void> {
    let waitMs = Math.random() * this.#windowMs;
    for (;;) {
      await pause(waitMs, signal);
      if (signal.aborted) return;
      const accepted = await this.#connectOnce(authority, signal);
      waitMs = accepted ? Math.random() * this.#windowMs : this.#backOff.next();
    }
  }

  async #connectOnce(authority: string, signal: AbortSignal): Promise<boolean> {
    const tls = {
      authority,
      key: this.#keyPem,
      certificate: this.#certificate,
      session: this.#session,
      onSession: (made: Buffer) => (this.#session = made),
    };
    try {
      const link = await ControlLink.open(
        this.#target,
        tls,
        {
          hello: () => ({ kind: 'hello', versions: [1], instance: this.#instance, facts: this.#facts, sessions: [] }),
          message: (message) => {
            if (message.kind !== 'accepted' || this.#connected) return;
            this.#connected = true;
            state.connected += 1;
            this.#windowMs = message.reconnect.windowMs;
            this.#backOff.reset();
          },
        },
        signal,
      );
      const close = () => link.close();
      signal.addEventListener('abort', close, { once: true });
      await link.ended;
      signal.removeEventListener('abort', close);
    } catch {
      if (!signal.aborted) state.failures += 1;
      this.#session = undefined;
    }
    const accepted = this.#connected;
    if (accepted) state.connected -= 1;
    this.#connected = false;
    return accepted;
  }
}

function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}

const identity = parseInstallerToken(token);
if (identity === undefined) throw new Error('--token must be an installer token');
const authority = await readAuthority({ host, port: Number(port), proxy: undefined }, identity.identitySha256);
setInterval(() => process.stdout.write(`${JSON.stringify(state)}\n`), REPORT_INTERVAL_MS);
const clients = Array.from({ length: count }, (_, index) => new SimulatedClient(index));
const waiting = [...clients];
await Promise.all(
  Array.from({ length: ENROLMENTS_AT_ONCE }, async () => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) await client.enrol(authority);
  }),
);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'disconnect') running.abort();
  if (line !== 'connect') continue;
  running = new AbortController();
  for (const client of clients) void client.run(authority, running.signal);
}
process.exit(0);
