/** All SQL of the licence domain. */
import { licenceTerms } from '@bascule/protocol/package-manifest.ts';
import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

export interface EndpointRow {
  clientId: string;
  sinceMs: number;
  /** A person's name; empty: the site itself. */
  givenBy: string;
}

export function readLicences(reader: Reader): ToldLicence[] {
  return reader
    .all<{ version: string; terms: string }>('SELECT version, terms FROM licence_packages ORDER BY holder')
    .map(({ version, terms }) => ({ version, terms: licenceTerms.parse(JSON.parse(terms)) }));
}

export function putLicence(tx: Tx, { version, terms }: ToldLicence, nowMs: number): void {
  tx.run(
    `INSERT INTO licence_packages (holder, version, terms, told_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (holder) DO UPDATE SET version = excluded.version, terms = excluded.terms, told_at_ms = excluded.told_at_ms`,
    terms.holder,
    version,
    JSON.stringify(terms),
    nowMs,
  );
}

export function readEndpoints(reader: Reader): EndpointRow[] {
  return reader.all<EndpointRow>(
    'SELECT client_id AS clientId, since_ms AS sinceMs, given_by AS givenBy FROM licence_endpoints ORDER BY client_id',
  );
}

export function putEndpoint(tx: Tx, { clientId, sinceMs, givenBy }: EndpointRow): void {
  tx.run(
    `INSERT INTO licence_endpoints (client_id, since_ms, given_by) VALUES (?, ?, ?)
     ON CONFLICT (client_id) DO UPDATE SET since_ms = excluded.since_ms, given_by = excluded.given_by`,
    clientId,
    sinceMs,
    givenBy,
  );
}

export function removeEndpoint(tx: Tx, clientId: string): void {
  tx.run('DELETE FROM licence_endpoints WHERE client_id = ?', clientId);
}

/** What the warning `name` was last about; undefined: it was never given. */
export function readWarning(reader: Reader, name: string): string | undefined {
  return reader.get<{ about: string }>('SELECT about FROM licence_warnings WHERE name = ?', name)?.about;
}

export function putWarning(tx: Tx, name: string, about: string): void {
  tx.run(
    'INSERT INTO licence_warnings (name, about) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET about = excluded.about',
    name,
    about,
  );
}
