/**
 * Many Jump Clients in one process, for the fleet benchmark: real TLS, enrolment, control links and parcels (the Jump Client's own modules), no shells.
 * `node fleet-clients.ts --site HOST:PORT --token TOKEN --first N --count N --software JSON [--from ADDRESSES]`; commands come on standard input, one a line (`connect`);
 * what is, goes to standard output as JSON lines (`FleetReport`).
 */
import { setPriority, constants } from 'node:os';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { clientSoftware } from '@bascule/protocol/client-program.ts';
import { parseInstallerToken } from '@bascule/protocol/control-link.ts';
import { readAuthority } from '@bascule/client/enrol.ts';
import { SimulatedClient, type FleetTally } from './fleet-client.ts';

const ENROLMENTS_AT_ONCE = 16;
const REPORT_INTERVAL_MS = 200;
/** Bytes that came are counted in slices of this, by the clock that all processes share. */
export const SLICE_MS = 100;

/** What a process says a few times a second: totals, and what has happened since the last one. */
export const fleetReport = z.object({
  enrolled: z.number(),
  connected: z.number(),
  upgraded: z.number(),
  failures: z.number(),
  parcels: z.number(),
  /** Pairs of a slice (instant / SLICE_MS) and the bytes that came in it. */
  received: z.array(z.tuple([z.number(), z.number()])),
  /** Instants in milliseconds at which upgrades were begun, and ended. */
  begun: z.array(z.number()),
  ended: z.array(z.number()),
});
export type FleetReport = z.infer<typeof fleetReport>;

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { site: text, token: text, first: text, count: text, software: text, from: text } });
  const [host = '', port = ''] = values.site?.split(':') ?? [];
  const { token = '' } = values;
  const identity = parseInstallerToken(token);
  if (identity === undefined) throw new Error('--token must be an installer token');
  const software = clientSoftware
    .pick({ version: true, revision: true, bundle: true, runtime: true })
    .parse(JSON.parse(values.software ?? ''));
  const addresses = values.from?.split(',');
  // The machines that these clients stand for have processors of their own.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const tally = report();
  const authority = await readAuthority({ host, port: Number(port), proxy: undefined }, identity.identitySha256);
  const clients = Array.from({ length: Number(values.count) }, (_, count) => {
    const index = Number(values.first) + count;
    const localAddress = addresses?.[index % addresses.length];
    return new SimulatedClient({ index, host, port: Number(port), localAddress, authority, software, tally });
  });
  const waiting = [...clients];
  await Promise.all(
    Array.from({ length: ENROLMENTS_AT_ONCE }, async () => {
      for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) await client.enrol(token);
    }),
  );
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'connect') for (const client of clients) void client.run();
  }
  process.exit(0);
}

/** Tells what has happened, from now on. */
function report(): FleetTally {
  let received = new Map<number, number>();
  let begun: number[] = [];
  let ended: number[] = [];
  const tally = {
    enrolled: 0,
    connected: 0,
    upgraded: 0,
    failures: 0,
    parcels: 0,
    received(bytes: number) {
      const slice = Math.floor(Date.now() / SLICE_MS);
      received.set(slice, (received.get(slice) ?? 0) + bytes);
    },
    upgrade(change: 1 | -1) {
      (change === 1 ? begun : ended).push(performance.timeOrigin + performance.now());
    },
  };
  setInterval(() => {
    const said: FleetReport = { ...tally, received: [...received], begun, ended };
    process.stdout.write(`${JSON.stringify(said)}\n`);
    received = new Map();
    begun = [];
    ended = [];
  }, REPORT_INTERVAL_MS);
  return tally;
}

if (import.meta.main) await main();
