/** Entry point of `bascule-witness` and of its commands (docs/operator/witness.md). */
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { readCommand, USAGE, type WitnessCommand } from './options.ts';
import { askStatus, openStatusSocket } from './status-socket.ts';
import { statusLines } from './status-lines.ts';
import { WitnessCodes } from './witness-codes.ts';
import { makeWitnessKey, readWitnessKey } from './witness-key.ts';
import { WitnessRecords } from './witness-records.ts';
import { WitnessServer } from './witness-server.ts';
import { Witness } from './witness.ts';

const HOUR_MS = 60 * 60_000;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2));
  if (command === undefined) return say(USAGE);
  const { state } = command;
  switch (command.command) {
    case 'init':
      return say(`A witness with key ${(await makeWitnessKey(state)).sha256} is in ${state}. Next: run, and code.`);
    case 'run':
      return run(command);
    case 'code':
      return say(`bw1.${readWitnessKey(state).sha256}.${new WitnessCodes(state).make(command.hours * HOUR_MS)}`);
    case 'status':
      return status(state);
    case 'forget':
      return forget(command);
  }
}

async function run({ state, port, listen }: WitnessCommand): Promise<void> {
  const log = createLog('witness');
  const key = readWitnessKey(state);
  let witness: Witness | undefined;
  const socket = await openStatusSocket(state, () => witness?.status() ?? []);
  const stopped = Promise.withResolvers<void>();
  witness = new Witness({ records: new WitnessRecords(state), codes: new WitnessCodes(state), clockMs: bootClockMs, log });
  const onUnfit = (error: unknown) => stopped.reject(error);
  const server = await WitnessServer.start({ key, witness, host: listen, port, log, onUnfit });
  say(`Witness at port ${server.port}, key ${key.sha256}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopped.resolve());
  try {
    await stopped.promise;
  } finally {
    server.close();
    socket.close();
  }
}

async function status(state: string): Promise<void> {
  const key = readWitnessKey(state);
  const live = await askStatus(state);
  say(`Key ${key.sha256}; ${live === undefined ? 'it does not run' : 'it runs'}.`);
  const sites = live ?? new WitnessRecords(state).readAll().map((record) => ({ record, leftMs: null, heard: [] }));
  for (const line of statusLines(sites)) say(line);
}

async function forget({ state, site, key }: WitnessCommand): Promise<void> {
  if ((await askStatus(state)) !== undefined)
    throw new AppError('conflict', 'WITNESS_RUNS', 'Stop the witness first: it keeps what it knows in memory.');
  const records = new WitnessRecords(state);
  const record = records.readAll().find((one) => one.site === site);
  if (record === undefined || !record.members.some((member) => member.key === key))
    throw new AppError('not-found', 'NOT_FOUND', 'There is no such appliance on record: look at status.');
  records.write({ ...record, members: record.members.filter((member) => member.key !== key) });
  say('Forgotten.');
}

try {
  await main();
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  process.stderr.write(`witness: ${error.message}\n`);
  process.exitCode = error.code === 'USAGE_WRONG' ? 64 : 1;
}
