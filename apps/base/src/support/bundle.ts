/** The support bundle: what somebody who helps needs to see, without secrets. A .tar.zst that stock tar opens. */
import { fstatSync, openSync, readFileSync, readSync, closeSync } from 'node:fs';
import { arch, networkInterfaces, platform, release } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createZstdCompress } from 'node:zlib';
import { encodeTarHeader, TAR_END, tarPadding } from '@bascule/package-format/tar-format.ts';
import type { BundleContents } from '@bascule/protocol/api/support.ts';
import { readAudit } from '@bascule/store/audit.ts';
import type { Store } from '@bascule/store/store.ts';
import { redacted } from './redact.ts';

/** Of the end of the log. */
export const LOG_TAIL_BYTES = 4 * 1024 * 1024;
export const AUDIT_EVENTS = 1_000;
const AUDIT_PAGE = 200;
export const INSTALLATIONS_MAX = 20;
/** One member; what is beyond it is cut. */
const MEMBER_MAX_BYTES = 8 * 1024 * 1024;
const STANDARD_OUTPUT = 1;

export interface BundleSources {
  store: Store;
  logDirectory: string;
  /** Versions of what is installed. */
  versions(): object;
  /** Each becomes `<name>.json`; what throws says why instead. Allow-listed by whoever gives it. */
  facts: Readonly<Record<string, () => unknown>>;
  /** The box's configuration, a part for each domain, without secrets by an allow-list. */
  configuration: Readonly<Record<string, () => unknown>>;
  /** The newest installations, and the log of each. */
  installations(): { id: string }[];
  installationLog(id: string): string;
  now?: () => number;
}

interface Member {
  name: string;
  about: string;
  content: Buffer;
}

/** Puts it together; every member has passed `redacted`. */
export async function bundleMembers(sources: BundleSources): Promise<Member[]> {
  const members: Member[] = [];
  const add = async (name: string, about: string, text: string): Promise<void> => {
    members.push({ name, about, content: Buffer.from(await redacted(text)).subarray(0, MEMBER_MAX_BYTES) });
  };
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  await add(
    'versions.json',
    'Versions of the appliance and of the operating system',
    json({ ...sources.versions(), system: systemFacts() }),
  );
  for (const [name, read] of Object.entries(sources.facts))
    await add(`${name}.json`, ABOUT[name] ?? name, json(await said(read)));
  const parts = await Promise.all(
    Object.entries(sources.configuration).map(async ([name, read]) => [name, await said(read)] as const),
  );
  await add('configuration.json', 'Settings, without passwords and keys', json(Object.fromEntries(parts)));
  await add('audit.jsonl', `The last ${AUDIT_EVENTS} audit events of the box`, auditLines(sources.store));
  for (const { id } of sources.installations().slice(0, INSTALLATIONS_MAX))
    await add(`installations/${id}.log`, 'The journal of an installation', String(await said(() => sources.installationLog(id))));
  await add('appliance.log', `The last ${LOG_TAIL_BYTES / 1024 / 1024} MB of the log`, logTail(sources.logDirectory));
  return members;
}

const ABOUT: Record<string, string> = {
  health: 'Figures of the last day, and alarms',
  storage: 'What takes how much of the disk',
  processes: 'Programs of the appliance',
  clock: 'The clock, and time servers',
  pair: 'State of the failover pair',
  syslog: 'State of the syslog servers',
  installations: 'The last installations',
};

/** What the bundle would hold now. */
export async function bundleContents(sources: BundleSources): Promise<BundleContents> {
  const members = await bundleMembers(sources);
  return {
    madeAtMs: (sources.now ?? Date.now)(),
    members: members.map(({ name, about, content }) => ({ name, about, bytes: content.length })),
  };
}

/** The archive as a stream. */
export async function bundleStream(sources: BundleSources, folder: string): Promise<Readable> {
  const members = await bundleMembers(sources);
  function* pieces(): Generator<Buffer> {
    for (const { name, content } of members) {
      yield encodeTarHeader({ path: `${folder}/${name}`, bytes: content.length, executable: false });
      yield content;
      yield Buffer.alloc(tarPadding(content.length));
    }
    yield TAR_END;
  }
  return Readable.from(pieces(), { objectMode: false }).pipe(createZstdCompress());
}

/** A part that fails must not keep the others from whoever helps. */
async function said(read: () => unknown): Promise<unknown> {
  try {
    return await read();
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

function systemFacts(): object {
  let name = '';
  try {
    name = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
  } catch {
    // Not every system has one.
  }
  const addresses = Object.entries(networkInterfaces()).flatMap(([device, list]) =>
    (list ?? []).map(({ address, cidr }) => ({ device, address: cidr ?? address })),
  );
  return { name, platform: platform(), kernel: release(), architecture: arch(), node: process.version, addresses };
}

function auditLines(store: Store): string {
  const lines: string[] = [];
  let before: number | undefined;
  while (lines.length < AUDIT_EVENTS) {
    const rows = readAudit(store, { before, limit: AUDIT_PAGE, housekeeping: false });
    if (rows.length === 0) break;
    for (const { sequence, atMs, code, actorName, address, summary } of rows)
      lines.push(`${JSON.stringify({ sequence, at: new Date(atMs).toISOString(), code, actor: actorName, address, summary })}\n`);
    before = rows.at(-1)?.sequence;
  }
  return lines.toReversed().join('');
}

/** The log belongs to root where base does not run as root; base writes into it, as its standard output, and may read it there. */
function logTail(directory: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(join(directory, 'appliance.log'), 'r');
    return tailOf(descriptor);
  } catch {
    return tailOr(STANDARD_OUTPUT);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function tailOr(descriptor: number): string {
  try {
    if (fstatSync(descriptor).isFile()) return tailOf(descriptor);
  } catch {
    // It may not be open for reading.
  }
  return 'The log cannot be read by base.\n';
}

function tailOf(descriptor: number): string {
  const { size } = fstatSync(descriptor);
  const bytes = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
  const read = readSync(descriptor, bytes, 0, bytes.length, size - bytes.length);
  const text = bytes.subarray(0, read).toString('utf8');
  // Cut at a line, so that no half of a secret stands at the start.
  return size > bytes.length ? text.slice(text.indexOf('\n') + 1) : text;
}
