import { z } from 'zod';
import { id, instantMs } from '@bascule/protocol/text.ts';
import { clientState } from '@bascule/protocol/api/jump.ts';
import type { Reader } from '@bascule/store/store.ts';
import type { BorneRecord, SiteIdentity } from '../jump/jump.ts';
import { holdsEvent, newestEvent, type HistoryPlace } from './trust-store.ts';

/** As the protocol has it. */
export const RECORD_MAX_LENGTH = 4096;
/** A record that is older is made anew at the next connect: the younger the records, the more a restored database is told. */
export const RECORD_FRESH_MS = 60 * 60_000;
/** The place in the history is looked up at most this often; but for a revoked client, a record that is a second behind says as much. */
const PLACE_FRESH_MS = 1000;
/** Signed with the text, so that no other signature of the site can be taken for a record. */
const PURPOSE = 'bascule-record/1\n';

const recordText = z.object({
  client: id('jumpClient'),
  name: z.string().min(1).max(128),
  group: z.string().max(64).nullable(),
  tags: z.array(z.string().max(40)).max(20),
  state: clientState,
  madeAtMs: instantMs,
  history: z.object({ appliance: z.string(), epoch: z.number().int(), sequence: z.number().int(), hash: z.string() }),
  /** Of a site that was restored: its history, since when, and the histories that it has taken the place of (docs/decisions/0291). */
  site: z.object({ history: z.string().max(64), sinceMs: instantMs, replaces: z.array(z.string().max(64)).max(8) }).optional(),
});
export type RecordText = z.infer<typeof recordText>;
/** What the site knows of a client and puts into its record. */
export type RecordContent = Pick<RecordText, 'name' | 'group' | 'tags' | 'state'>;

/** A record that was read, and whether this database holds the event at which it was made. */
export interface ReadRecord {
  text: RecordText;
  isInHistory: boolean;
  /** Checked only when something depends on it: it takes a tenth of a millisecond. */
  isSigned(): boolean;
}

/** What the site signs about its clients, for a day when it does not know them (wire 3.10; docs/decisions/0160). */
export class ClientRecords {
  readonly #identity: SiteIdentity;
  readonly #reader: Reader;
  readonly #now: () => number;
  readonly #line: () => RecordText['site'];
  #place: HistoryPlace | undefined;
  #placeAtMs = -Infinity;

  /** `line`: of a site that was restored. */
  constructor(options: { identity: SiteIdentity; reader: Reader; now(): number; line?: () => RecordText['site'] }) {
    this.#identity = options.identity;
    this.#reader = options.reader;
    this.#now = options.now;
    this.#line = options.line ?? (() => undefined);
  }

  /** The record's text: `base64url(JSON).base64url(signature)`; undefined when it would be too long. */
  sign(client: string, content: RecordContent): string | undefined {
    // What is revoked must not look older than it is: a database that is restored would take the client back.
    const history = this.#historyNow(content.state === 'revoked');
    const site = this.#line();
    const text: RecordText = { client, ...content, madeAtMs: this.#now(), history, ...(site !== undefined && { site }) };
    const payload = Buffer.from(JSON.stringify(text)).toString('base64url');
    const signature = Buffer.from(this.#identity.sign(Buffer.from(PURPOSE + payload))).toString('base64url');
    const record = `${payload}.${signature}`;
    return record.length <= RECORD_MAX_LENGTH ? record : undefined;
  }

  /** What a client bears; undefined when it is no record about this very client. */
  read(client: string, record: string): ReadRecord | undefined {
    const [payload = '', signature = '', ...more] = record.split('.');
    if (more.length > 0) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    } catch {
      return undefined;
    }
    const parsed = recordText.safeParse(value);
    if (!parsed.success || parsed.data.client !== client) return undefined;
    return {
      text: parsed.data,
      isInHistory: holdsEvent(this.#reader, parsed.data.history),
      isSigned: () => this.#identity.verify(Buffer.from(PURPOSE + payload), Buffer.from(signature, 'base64url')),
    };
  }

  /** Whether a client that bears `read` needs another. `fresh`, `changed`: what it says is not what the site knows; `stale`: it is only old. */
  isDue(read: ReadRecord | undefined, content: RecordContent): 'changed' | 'stale' | 'fresh' {
    if (read === undefined || !read.isInHistory) return 'changed';
    // Whoever still has the history that this site was restored from is to be shown where it goes on.
    if (this.#line()?.history !== read.text.site?.history) return 'changed';
    const { name, group, tags, state, madeAtMs } = read.text;
    if (
      name !== content.name ||
      group !== content.group ||
      state !== content.state ||
      tags.join('\n') !== content.tags.join('\n')
    )
      return 'changed';
    const ageMs = this.#now() - madeAtMs;
    return ageMs > RECORD_FRESH_MS || ageMs < 0 ? 'stale' : 'fresh';
  }

  #historyNow(isExact: boolean): HistoryPlace {
    const nowMs = this.#now();
    if (isExact || this.#place === undefined || nowMs - this.#placeAtMs >= PLACE_FRESH_MS || nowMs < this.#placeAtMs) {
      this.#place = newestEvent(this.#reader) ?? { appliance: '', epoch: 0, sequence: 0, hash: '' };
      this.#placeAtMs = nowMs;
    }
    return this.#place;
  }
}

/** As the Jump Items want it. */
export function toBorne({ text, isInHistory }: ReadRecord): BorneRecord {
  const { name, group, tags, state, madeAtMs } = text;
  const when = new Date(madeAtMs).toISOString().slice(0, 16).replace('T', ' ');
  const note =
    state === 'revoked'
      ? `Its signed record of ${when} UTC says that it was revoked.`
      : group === null
        ? `From its signed record of ${when} UTC.`
        : `From its signed record of ${when} UTC (Jump Group ${group}).`;
  return { name, groupName: group, tags, state, isNewer: !isInHistory, note };
}
