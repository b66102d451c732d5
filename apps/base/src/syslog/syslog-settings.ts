import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import {
  syslogDestination,
  type SyslogChange,
  type SyslogDestination,
  type SyslogDestinationChange,
} from '@bascule/protocol/api/syslog.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store, Tx } from '@bascule/store/store.ts';

const KEY_PURPOSE = 'syslog-client-key';
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;

const changed = defineAuditEvent<{ servers: string[] }>('SYSLOG_CHANGED', 'Changed the syslog servers to: {servers}');

export type StoredDestination = Required<SyslogDestination>;

/** The syslog servers, in box.db. Keys of client certificates are wrapped by the key in `keyFile`. */
export class SyslogSettings {
  readonly #store: Store;
  readonly #keyWrap: KeyWrap;

  constructor(store: Store, keyFile: string) {
    this.#store = store;
    this.#keyWrap = openKeyWrap(keyFile);
  }

  list(): (StoredDestination & { hasClientKey: boolean })[] {
    return this.#store
      .all<{ id: string; settings: string; hasKey: number }>(
        'SELECT id, settings, wrapped_key IS NOT NULL AS hasKey FROM syslog_destinations ORDER BY place',
      )
      .map(({ id, settings, hasKey }) => ({
        ...syslogDestination.parse(JSON.parse(settings)),
        id,
        hasClientKey: hasKey === 1,
      }));
  }

  /** PEM; undefined when it has none. Throws `KEY_WRAP_FAILED`. */
  clientKey(id: string): string | undefined {
    const wrapped = this.#wrapped(id);
    return wrapped === null ? undefined : Buffer.from(this.#keyWrap.unwrap(wrapped, KEY_PURPOSE)).toString('utf8');
  }

  /**
   * Takes the whole list. Throws `SYSLOG_HOST_INVALID`, `SYSLOG_CA_INVALID`, `SYSLOG_CLIENT_CERTIFICATE_INVALID`, `SYSLOG_CLIENT_KEY_MISSING` (also when the
   * certificate is another one than that of the stored key), `SYSLOG_UNKNOWN`.
   */
  change(context: Context, { destinations }: SyslogChange): void {
    const known = new Map(this.list().map((destination) => [destination.id, destination]));
    const rows = destinations.map((destination, place) => {
      const { clientKeyPem: _clientKeyPem, id, ...settings } = destination;
      if (id !== undefined && !known.has(id))
        throw new AppError('conflict', 'SYSLOG_UNKNOWN', 'This syslog server was removed meanwhile; load the page again.');
      const field = (name: string) => `body.destinations.${place}.${name}`;
      check(settings, field);
      const wrapped = this.#keyFor(destination, id === undefined ? undefined : known.get(id), field('clientKeyPem'));
      return { id: id ?? newId('syslogDestination'), place, settings: JSON.stringify(settings), wrapped };
    });
    const servers = destinations.map(({ host, port, isOn, sources }) => `${host}:${port} (${isOn ? sources.join(', ') : 'off'})`);
    this.#store.transact(context, changed({ servers }), (tx) => writeRows(tx, rows));
  }

  /** The servers, with the keys of their client certificates in clear on demand. */
  exported(withSecrets: boolean): SyslogDestinationChange[] {
    return this.list().map(({ hasClientKey, ...destination }) => {
      const clientKeyPem = withSecrets && hasClientKey ? this.clientKey(destination.id) : undefined;
      return { ...destination, ...(clientKeyPem !== undefined && { clientKeyPem }) };
    });
  }

  /** Whether `destination` needs no key, brings it, or has the certificate of one that is stored. */
  hasKeyFor({ clientCertificatePem, clientKeyPem }: SyslogDestinationChange): boolean {
    if (clientCertificatePem === null) return true;
    if (clientKeyPem !== undefined) return fits(clientCertificatePem, clientKeyPem);
    return this.#withCertificate(clientCertificatePem) !== undefined;
  }

  /** Takes the whole list of an exported file, in the transaction of its import. Throws as `change`. */
  import(tx: Tx, destinations: readonly SyslogDestinationChange[]): void {
    const rows = destinations.map((destination, place) => {
      const { clientKeyPem: _clientKeyPem, id = newId('syslogDestination'), ...settings } = destination;
      check(settings, (name) => `destinations.${place}.${name}`);
      const before = settings.clientCertificatePem === null ? undefined : this.#withCertificate(settings.clientCertificatePem);
      const wrapped = this.#keyFor(destination, before, `destinations.${place}.clientKeyPem`);
      return { id, place, settings: JSON.stringify(settings), wrapped };
    });
    writeRows(tx, rows);
  }

  #withCertificate(pem: string): StoredDestination | undefined {
    return this.list().find(({ clientCertificatePem, hasClientKey }) => hasClientKey && clientCertificatePem === pem);
  }

  #keyFor(after: SyslogDestinationChange, before: StoredDestination | undefined, field: string): Uint8Array | null {
    if (after.clientCertificatePem === null) return null;
    if (after.clientKeyPem !== undefined) {
      if (!fits(after.clientCertificatePem, after.clientKeyPem))
        throw new AppError(
          'invalid',
          'SYSLOG_CLIENT_KEY_WRONG',
          'This is no PEM of the key that belongs to the client certificate.',
          { field },
        );
      return this.#keyWrap.wrap(Buffer.from(after.clientKeyPem), KEY_PURPOSE);
    }
    const stored = before === undefined ? null : this.#wrapped(before.id);
    if (stored === null || before?.clientCertificatePem !== after.clientCertificatePem)
      throw new AppError('invalid', 'SYSLOG_CLIENT_KEY_MISSING', 'The key of the client certificate is needed, in PEM.', {
        field,
      });
    return stored;
  }

  #wrapped(id: string): Uint8Array | null {
    return (
      this.#store.get<{ key: Uint8Array | null }>('SELECT wrapped_key AS key FROM syslog_destinations WHERE id = ?', id)?.key ??
      null
    );
  }
}

interface Row {
  id: string;
  place: number;
  settings: string;
  wrapped: Uint8Array | null;
}

function writeRows(tx: Tx, rows: readonly Row[]): void {
  tx.run('DELETE FROM syslog_destinations');
  for (const { id, place, settings, wrapped } of rows)
    tx.run(
      'INSERT INTO syslog_destinations (id, place, settings, wrapped_key) VALUES (?, ?, ?, ?)',
      id,
      place,
      settings,
      wrapped,
    );
}

function check({ host, caPem, clientCertificatePem }: Omit<SyslogDestination, 'id'>, field: (name: string) => string): void {
  if (!HOST_NAME.test(host) && isIP(host) === 0)
    throw new AppError('invalid', 'SYSLOG_HOST_INVALID', 'A syslog server is a host name or an address: logs.example.org.', {
      field: field('host'),
    });
  if (caPem !== null && !areCertificates(caPem))
    throw new AppError('invalid', 'SYSLOG_CA_INVALID', 'These are no certificates in PEM.', { field: field('caPem') });
  if (clientCertificatePem !== null && !areCertificates(clientCertificatePem))
    throw new AppError('invalid', 'SYSLOG_CLIENT_CERTIFICATE_INVALID', 'This is no certificate in PEM.', {
      field: field('clientCertificatePem'),
    });
}

function areCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
    return blocks.length > 0;
  } catch {
    return false;
  }
}

function fits(certificatePem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}
