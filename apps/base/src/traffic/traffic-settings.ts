import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { trafficSettings, type TrafficChange, type TrafficSettings } from '@bascule/protocol/api/network.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store, Tx } from '@bascule/store/store.ts';
import { z } from 'zod';
import type { TsigKey } from './dns-tsig.ts';
import { encodeName } from './dns-message.ts';
import { plainAddress } from '../network/network.ts';

const settingsChanged = defineAuditEvent<{ way: string; secretChanged: boolean }>(
  'TRAFFIC_SETTINGS_CHANGED',
  'Traffic goes to the primary by: {way} (DNS secret changed: {secretChanged})',
);
const moved = defineAuditEvent<{ to: string; outcome: string; text: string }>('TRAFFIC_MOVED', 'Traffic {to}, {outcome}: {text}');

const moveOrdered = defineAuditEvent('TRAFFIC_MOVE_ORDERED', 'Ordered that traffic is brought to this appliance once more');

const SETTINGS = 'traffic';
const MOVE = 'traffic-move';
const SECRET_PURPOSE = 'dns-update-secret';
const SECRET_MIN_BYTES = 16;
const NO_SETTINGS: TrafficSettings = { way: 'shared-ip', dns: null, dnsSecretSet: false, natHook: null };
const storedSettings = trafficSettings.omit({ dnsSecretSet: true });

/** What was last done so that traffic comes here, or no longer. `of`: for which history and epoch. */
export const lastMove = z.object({
  atMs: z.number(),
  to: z.enum(['here', 'away']),
  outcome: z.enum(['running', 'done', 'failed']),
  text: z.string(),
  of: z.string(),
});
export type LastMove = z.infer<typeof lastMove>;

/** How traffic comes to whoever is primary, and how the last move of it went, in box.db. */
export class TrafficRecords {
  readonly #store: Store;
  readonly #keyWrap: KeyWrap;

  /** The secret of DNS updates is wrapped by the key in `keyFile`. */
  constructor(store: Store, keyFile: string) {
    this.#store = store;
    this.#keyWrap = openKeyWrap(keyFile);
  }

  settings(): TrafficSettings {
    const stored = this.#read(SETTINGS);
    if (stored === undefined) return NO_SETTINGS;
    return { ...storedSettings.parse(stored), dnsSecretSet: this.#secret() !== undefined };
  }

  /** Throws `TRAFFIC_DNS_MISSING`, `TRAFFIC_SECRET_SHORT`, `TRAFFIC_HOOK_MISSING`, `DNS_NAME_INVALID`, `IP_ADDRESS_INVALID`. */
  change(context: Context, { dnsSecret, ...settings }: TrafficChange): void {
    if (settings.dns !== null) checkDns(settings.dns);
    const secret = dnsSecret === undefined ? undefined : Buffer.from(dnsSecret, 'base64');
    if (secret !== undefined && secret.length < SECRET_MIN_BYTES)
      throw new AppError('invalid', 'TRAFFIC_SECRET_SHORT', `The secret has at least ${SECRET_MIN_BYTES} bytes, in base64.`, {
        field: 'body.dnsSecret',
        params: { least: SECRET_MIN_BYTES },
      });
    const hasSecret = secret !== undefined || this.#secret() !== undefined;
    if (settings.way === 'dns' && (settings.dns === null || settings.dns.keyName === '' || !hasSecret))
      throw new AppError(
        'invalid',
        'TRAFFIC_DNS_MISSING',
        'For DNS updates the server, the zone, the name, the address, and a key with its secret are needed.',
        { field: 'body.dns' },
      );
    if (settings.way === 'nat' && settings.natHook === null)
      throw new AppError('invalid', 'TRAFFIC_HOOK_MISSING', 'Choose the hook that turns NAT over.', { field: 'body.natHook' });
    const wrapped = secret && this.#keyWrap.wrap(secret, SECRET_PURPOSE);
    this.#store.transact(context, settingsChanged({ way: settings.way, secretChanged: secret !== undefined }), (tx) => {
      tx.run(WRITE, SETTINGS, JSON.stringify(settings));
      if (wrapped !== undefined) tx.run(WRITE_SECRET, wrapped);
    });
  }

  /** For an export: the settings, and with `withSecret` the secret of DNS updates, when there is one. */
  exported(withSecret: boolean): TrafficChange {
    const { dnsSecretSet, ...settings } = this.settings();
    const wrapped = this.#secret();
    if (!withSecret || !dnsSecretSet || wrapped === undefined) return settings;
    return { ...settings, dnsSecret: Buffer.from(this.#keyWrap.unwrap(wrapped, SECRET_PURPOSE)).toString('base64') };
  }

  /** For an import, inside its transaction. Throws as `change`; without a secret in `change` DNS updates that need one are taken over all the same, and say that it is missing. */
  import(tx: Tx, { dnsSecret, ...settings }: TrafficChange): void {
    if (settings.dns !== null) checkDns(settings.dns);
    tx.run(WRITE, SETTINGS, JSON.stringify(settings));
    if (dnsSecret === undefined) return;
    tx.run(WRITE_SECRET, this.#keyWrap.wrap(Buffer.from(dnsSecret, 'base64'), SECRET_PURPOSE));
  }

  /** The key that signs DNS updates. Throws `TRAFFIC_DNS_MISSING`, `KEY_WRAP_FAILED`. */
  tsigKey(): TsigKey {
    const { dns } = this.settings();
    const wrapped = this.#secret();
    if (dns === null || wrapped === undefined)
      throw new AppError('conflict', 'TRAFFIC_DNS_MISSING', 'DNS updates are not set up: a key with its secret is needed.');
    return { name: dns.keyName, algorithm: dns.algorithm, secret: this.#keyWrap.unwrap(wrapped, SECRET_PURPOSE) };
  }

  lastMove(): LastMove | undefined {
    const stored = this.#read(MOVE);
    return stored === undefined ? undefined : lastMove.parse(stored);
  }

  note(context: Context, move: LastMove): void {
    const { to, outcome, text } = move;
    this.#store.transact(context, moved({ to, outcome, text }), (tx) => tx.run(WRITE, MOVE, JSON.stringify(move)));
  }

  /** A person has asked for it once more. */
  moveOrdered(context: Context): void {
    this.#store.transact(context, moveOrdered({}), () => undefined);
  }

  #read(name: string): unknown {
    const row = this.#store.get<{ value: string }>('SELECT value FROM network_settings WHERE name = ?', name);
    return row === undefined ? undefined : JSON.parse(row.value);
  }

  #secret(): Uint8Array | undefined {
    return this.#store.get<{ wrapped: Uint8Array }>('SELECT wrapped FROM traffic_secret')?.wrapped;
  }
}
const WRITE_SECRET =
  'INSERT INTO traffic_secret (one, wrapped) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET wrapped = excluded.wrapped';
const WRITE = 'INSERT INTO network_settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value';

function checkDns({ zone, name, address, keyName }: NonNullable<TrafficSettings['dns']>): void {
  for (const text of [zone, name, ...(keyName === '' ? [] : [keyName])]) encodeName(text);
  if (plainAddress(address) === '')
    throw new AppError('invalid', 'IP_ADDRESS_INVALID', 'An address is needed, such as 192.0.2.10 or 2001:db8::10.', {
      field: 'body.dns.address',
    });
}
