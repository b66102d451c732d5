import { isIP } from 'node:net';
import { X509Certificate } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { acmeSettings, type AcmeChange, type AcmeSettings } from '@bascule/protocol/api/certificates.ts';
import type { Context, Reader, Store, Tx } from '@bascule/store/store.ts';
import { z } from 'zod';
import { acmeAccountMade, acmeSettingsChanged } from './certificate-events.ts';
import type { CertificateRows } from './certificate-rows.ts';
import { makePrivateKey } from './signing-request.ts';

const SECRET_PURPOSE = 'acme-eab-secret';
const ACCOUNT_PURPOSE = 'acme-account-key';
const stored = acmeSettings.omit({ eabSecretSet: true });

/** How the last attempts went, and when the next one is. */
export const acmeProgress = z.object({
  certificate: z.string().nullable(),
  lastSuccessAtMs: z.number().nullable(),
  lastFailure: z.object({ atMs: z.number(), text: z.string(), failures: z.number().int() }).nullable(),
  nextAtMs: z.number().nullable(),
});
export type AcmeProgress = z.infer<typeof acmeProgress>;
export const NO_PROGRESS: AcmeProgress = { certificate: null, lastSuccessAtMs: null, lastFailure: null, nextAtMs: null };

/** Settings of ACME in box.db; its secrets are wrapped by the box's key. */
export class AcmeRecords {
  readonly #store: Store;
  readonly #rows: CertificateRows;
  readonly #publicHost: string;

  constructor(store: Store, rows: CertificateRows, publicHost: string) {
    this.#store = store;
    this.#rows = rows;
    this.#publicHost = publicHost;
  }

  settings(reader: Reader = this.#store): AcmeSettings {
    const known = this.#rows.setting(reader, 'acme', stored);
    return known === undefined ? this.#first() : { ...known, eabSecretSet: this.#secretRow() !== undefined };
  }

  progress(): AcmeProgress {
    return this.#rows.setting(this.#store, 'acme-progress', acmeProgress) ?? NO_PROGRESS;
  }

  putProgress(tx: Tx, progress: AcmeProgress): void {
    this.#rows.putSetting(tx, 'acme-progress', progress);
  }

  /** Throws `ACME_NAME_UNFIT`, `ACME_TERMS_OPEN`, `ACME_CA_UNREADABLE`, `ACME_EAB_INCOMPLETE`. A change makes the next attempt due now. */
  change(context: Context, change: AcmeChange, nowMs: number): void {
    const before = this.settings();
    const { eabSecret, ...after } = change;
    checkChange(after, eabSecret !== undefined && eabSecret !== '' ? true : before.eabSecretSet);
    const changed = Object.keys(after).filter(
      (key) => JSON.stringify(after[key as keyof typeof after]) !== JSON.stringify(before[key as keyof typeof after]),
    );
    if (eabSecret !== undefined) changed.push('eabSecret');
    const { isOn, directoryUrl, names } = after;
    const event = acmeSettingsChanged({
      state: isOn ? 'on' : 'off',
      directoryUrl,
      names: names.join(', ') || 'no name',
      changes: changed.join(', ') || 'nothing',
    });
    this.#store.transact(context, event, (tx) => {
      this.#write(tx, after, eabSecret);
      this.putProgress(tx, { ...this.progress(), lastFailure: null, nextAtMs: isOn ? nowMs : null });
    });
  }

  /** Of settings that were imported. */
  write(tx: Tx, settings: Omit<AcmeSettings, 'eabSecretSet'>, eabSecret: string | undefined): void {
    this.#write(tx, settings, eabSecret);
  }

  binding(): { keyId: string; secret: Uint8Array } | undefined {
    const { eabKeyId } = this.settings();
    const secret = this.eabSecret();
    return eabKeyId === '' || secret === undefined ? undefined : { keyId: eabKeyId, secret: Buffer.from(secret, 'base64url') };
  }

  /** Base64url, as it was given. */
  eabSecret(): string | undefined {
    const row = this.#secretRow();
    return row && this.#rows.unwrapSecret(row.wrapped, SECRET_PURPOSE).toString();
  }

  /** The account key for a directory, made and kept at the first time. PEM. */
  async accountKey(context: Context, directoryUrl: string): Promise<string> {
    const row = this.#store.get<{ key: Uint8Array }>(
      'SELECT private_key AS key FROM acme_account WHERE directory_url = ?',
      directoryUrl,
    );
    if (row !== undefined) return this.#rows.unwrapSecret(row.key, ACCOUNT_PURPOSE).toString();
    const key = await makePrivateKey('ec-p256');
    const wrapped = this.#rows.wrapSecret(Buffer.from(key), ACCOUNT_PURPOSE);
    this.#store.transact(context, acmeAccountMade({ directoryUrl }), (tx) =>
      tx.run('INSERT INTO acme_account (directory_url, account_url, private_key) VALUES (?, NULL, ?)', directoryUrl, wrapped),
    );
    return key;
  }

  #write(tx: Tx, settings: Omit<AcmeSettings, 'eabSecretSet'>, eabSecret: string | undefined): void {
    this.#rows.putSetting(tx, 'acme', settings);
    if (eabSecret === undefined) return;
    tx.run('DELETE FROM acme_secret');
    if (eabSecret === '') return;
    tx.run('INSERT INTO acme_secret (one, wrapped) VALUES (1, ?)', this.#rows.wrapSecret(Buffer.from(eabSecret), SECRET_PURPOSE));
  }

  #secretRow(): { wrapped: Uint8Array } | undefined {
    return this.#store.get<{ wrapped: Uint8Array }>('SELECT wrapped FROM acme_secret');
  }

  #first(): AcmeSettings {
    return {
      isOn: false,
      directoryUrl: 'https://acme-v02.api.letsencrypt.org/directory',
      directoryCaPem: '',
      contact: '',
      termsAgreed: false,
      eabKeyId: '',
      eabSecretSet: false,
      names: isAskable(this.#publicHost) ? [this.#publicHost] : [],
      challenge: 'tls-alpn-01',
      key: 'ec-p256',
      keepKey: true,
    };
  }
}

/** Both challenges prove one name each: no wildcard, no address. */
function isAskable(name: string): boolean {
  return isIP(name) === 0 && !name.startsWith('*.') && name.includes('.');
}

function checkChange(settings: Omit<AcmeChange, 'eabSecret'>, hasSecret: boolean): void {
  const { isOn, names, termsAgreed, directoryCaPem, eabKeyId } = settings;
  if (directoryCaPem !== '') checkAuthorities(directoryCaPem);
  if (!isOn) return;
  const unfit = names.find((name) => !isAskable(name));
  if (names.length === 0 || unfit !== undefined)
    throw new AppError(
      'invalid',
      'ACME_NAME_UNFIT',
      'ACME proves full DNS names: no wildcards, no addresses, no names without a domain.',
      { field: 'body.names', params: { name: unfit ?? '' } },
    );
  if (!termsAgreed)
    throw new AppError('invalid', 'ACME_TERMS_OPEN', "Agree to the authority's terms of service first.", {
      field: 'body.termsAgreed',
    });
  if (eabKeyId !== '' && !hasSecret)
    throw new AppError('invalid', 'ACME_EAB_INCOMPLETE', 'External Account Binding needs the secret too.', {
      field: 'body.eabSecret',
    });
}

function checkAuthorities(pem: string): void {
  try {
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) throw new Error('none');
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    throw new AppError('invalid', 'ACME_CA_UNREADABLE', 'The certificate of the authority is no PEM certificate.', {
      field: 'body.directoryCaPem',
      cause,
    });
  }
}
