import {
  clientSoftware,
  CLIENT_PLATFORMS,
  type ClientPlatform,
  type ClientProgram,
  type ClientSoftware,
} from '@bascule/protocol/client-program.ts';
import { LOSSES_LISTED_MAX, type LossCode, type Losses, type PlannedChange } from '@bascule/protocol/losses.ts';
import { CLIENT_CERTIFICATE_LIFE_MS, type ClientRow } from '../jump/jump.ts';

/** Clients that were seen within this are looked at; of those away for longer nobody can tell. */
export const SEEN_LATELY_MS = 30 * 24 * 60 * 60_000;
/** A second slot: a bundle, what it was packed in, and some room. */
export const SECOND_SLOT_BYTES = 32 * 1024 * 1024;

type Loss = Losses['list'][number];
type Finding = Pick<Loss, 'severity' | 'code' | 'detail'>;

/** What decides about one client. */
export interface LossView {
  change: PlannedChange;
  nowMs: number;
  /** How clients reach the site now. */
  host: string;
  port: number;
  /** Whether a client that trusts this authority follows once the identity is rotated again. */
  isFollowedFrom(authority: string): boolean;
  /** Whether there are programs for it. */
  hasProgram(program: ClientProgram, platform: ClientPlatform): boolean;
}

/** Collects findings in the order of their weight without keeping more than are listed. */
export class LossList {
  readonly #lost: Loss[] = [];
  readonly #trouble: Loss[] = [];
  #counts = { connected: 0, seenLately: 0, lost: 0, trouble: 0 };

  /** One client that was looked at. */
  count(kind: 'connected' | 'seenLately'): void {
    this.#counts[kind] += 1;
  }

  add(loss: Loss): void {
    this.#counts[loss.severity] += 1;
    const list = loss.severity === 'lost' ? this.#lost : this.#trouble;
    if (list.length < LOSSES_LISTED_MAX) list.push(loss);
  }

  result(): Losses {
    return { ...this.#counts, list: [...this.#lost, ...this.#trouble].slice(0, LOSSES_LISTED_MAX) };
  }
}

/** Looks at one client; `live`: what it said of its software and of the newest protocol that it speaks, if it is connected. */
export function lookAt(
  row: ClientRow,
  live: { isOnline: boolean; software: ClientSoftware | undefined; protocol: number | undefined },
  view: LossView,
  list: LossList,
): void {
  if (row.state === 'revoked') return;
  const lastSeenAtMs = live.isOnline ? view.nowMs : row.lastSeenAtMs;
  const awayMs = view.nowMs - (lastSeenAtMs ?? 0);
  const add = (finding: Finding) =>
    list.add({ what: row.program, id: row.id, name: row.name, lastSeenAtMs: row.lastSeenAtMs, ...finding });
  if (live.isOnline) list.count('connected');
  if (live.isOnline || awayMs <= SEEN_LATELY_MS) list.count('seenLately');
  if (awayMs > CLIENT_CERTIFICATE_LIFE_MS) {
    add({ severity: 'lost', code: 'certificate-ended', detail: since(row.lastSeenAtMs) });
    return;
  }
  const software = live.software ?? readSoftware(row.software);
  const finding = findingOf({ software, protocol: live.protocol }, view);
  if (finding !== undefined) add({ ...finding, detail: finding.detail.slice(0, 300) });
  else if (awayMs > SEEN_LATELY_MS && view.change.kind !== 'certificate')
    add({ severity: 'trouble', code: 'not-seen-lately', detail: since(row.lastSeenAtMs) });
}

interface Said {
  software: ClientSoftware | undefined;
  protocol: number | undefined;
}

function findingOf({ software, protocol }: Said, view: LossView): Finding | undefined {
  const { change } = view;
  switch (change.kind) {
    case 'certificate':
      // Links never look at it (I6).
      return undefined;
    case 'host-name': {
      const { host, port } = software?.dials ?? { host: view.host, port: view.port };
      const leadsHere =
        host.toLowerCase() === change.host.toLowerCase() ? port === change.port : change.keepsOldName && port === change.port;
      return leadsHere ? undefined : { severity: 'lost', code: 'dials-old-name', detail: `${host}:${port}` };
    }
    case 'identity':
      if (software !== undefined && view.isFollowedFrom(software.authority)) return undefined;
      return { severity: 'lost', code: 'cannot-follow-identity', detail: software?.version ?? '' };
    case 'package':
      if (protocol !== undefined && change.oldestProtocol !== undefined && protocol < change.oldestProtocol)
        return { severity: 'lost', code: 'protocol-too-old', detail: `${protocol} < ${change.oldestProtocol}` };
      return packageFinding(software, view);
  }
}

function packageFinding(software: ClientSoftware | undefined, view: LossView): Finding | undefined {
  const trouble = (code: LossCode, detail: string): Finding => ({ severity: 'trouble', code, detail });
  if (software === undefined || !software.upgradable) return trouble('cannot-upgrade', software?.version ?? '');
  const platform = CLIENT_PLATFORMS.find((known) => known === software.platform);
  if (platform === undefined || !view.hasProgram(software.program, platform))
    return trouble('no-program-for-platform', software.platform);
  if (software.freeBytes !== null && software.freeBytes < SECOND_SLOT_BYTES)
    return trouble('disk-full', `${Math.floor(software.freeBytes / (1024 * 1024))} MiB`);
  return undefined;
}

/** What decides about installed consoles; all of them dial the site's address as it is known here. */
export interface ConsoleView {
  host: string;
  port: number;
  /** Hex; of the certificate in force. */
  webKeySha256: string;
  tls: 'refuse' | 'site-identity';
}

/** What becomes of installed consoles (docs/decisions/0167: verified by itself, the key that a person confirmed, or the site identity's word). */
export function consoleFinding(change: PlannedChange, { host, port, webKeySha256, tls }: ConsoleView): Finding | undefined {
  if (change.kind === 'host-name') {
    const isLost = port !== change.port || (!change.keepsOldName && host.toLowerCase() !== change.host.toLowerCase());
    return isLost ? { severity: 'lost', code: 'dials-old-name', detail: `${host}:${port}` } : undefined;
  }
  if (change.kind !== 'certificate' || change.keySha256 === webKeySha256 || tls === 'site-identity') return undefined;
  const verifiesByItself = change.isPubliclyTrusted && change.names.some((name) => isNameFor(name, host));
  return verifiesByItself ? undefined : { severity: 'trouble', code: 'console-must-confirm', detail: '' };
}

/** RFC 9525, 6.3: a wildcard stands for one whole label. */
function isNameFor(name: string, host: string): boolean {
  const [wanted, given] = [host.toLowerCase(), name.toLowerCase()];
  return given === wanted || (given.startsWith('*.') && wanted.slice(wanted.indexOf('.')) === given.slice(1));
}

/** Different texts about software that are kept read: most of a fleet says the same. */
const READ_KEPT_MAX = 1000;
const alreadyRead = new Map<string, ClientSoftware | undefined>();

/** What a client that is away said last. */
function readSoftware(text: string): ClientSoftware | undefined {
  if (text === '' || alreadyRead.has(text)) return alreadyRead.get(text);
  if (alreadyRead.size >= READ_KEPT_MAX) alreadyRead.clear();
  const software = clientSoftware.safeParse(JSON.parse(text)).data;
  alreadyRead.set(text, software);
  return software;
}

const since = (atMs: number | null) => (atMs === null ? '' : new Date(atMs).toISOString().slice(0, 10));
