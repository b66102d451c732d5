import { createPrivateKey, type KeyObject } from 'node:crypto';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { CERTIFICATES_MAX, IMPORT_MAX_BYTES, type ImportFiles, type ImportPreview } from '@bascule/protocol/api/certificates.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { chainPem, orderChain, type OrderedChain } from './certificate-chain.ts';
import { certificateImported } from './certificate-events.ts';
import { factsOf, keySha256, nameOf } from './certificate-facts.ts';
import { readCertificateFiles } from './certificate-files.ts';
import type { CertificateRow, CertificateRows } from './certificate-rows.ts';
import { factWarnings, type View } from './certificate-view.ts';

/** What files would become here. */
export interface Planned {
  ordered: OrderedChain;
  /** PEM; null: missing. */
  key: string | null;
  keyFrom: ImportPreview['key'];
  keySha256: string;
  /** The row that it completes or replaces. */
  former: CertificateRow | undefined;
}

/** Reads what was uploaded and decides what it would become; changes nothing. Throws what `readCertificateFiles` and `orderChain` do, and `CERTIFICATE_IMPORT_LARGE`. */
export async function planImport({ files, passphrase }: ImportFiles, store: Store, rows: CertificateRows): Promise<Planned> {
  const bytes = files.map(({ name, content }) => ({ name, bytes: Buffer.from(content, 'base64') }));
  if (bytes.reduce((sum, file) => sum + file.bytes.length, 0) > IMPORT_MAX_BYTES)
    throw new AppError(
      'too-large',
      'CERTIFICATE_IMPORT_LARGE',
      'Certificates are small: these files are larger than 1 MB together.',
    );
  const { certificates, keys } = await readCertificateFiles(bytes, passphrase === '' ? undefined : passphrase);
  if (keys.length > 1)
    throw new AppError(
      'invalid',
      'CERTIFICATE_KEYS_SEVERAL',
      'These files hold several private keys: import one certificate with its key at a time.',
    );
  const [included] = keys;
  const ordered = orderChain(certificates, included);
  return planOf(ordered, included, store, rows);
}

/** What a chain with a key, or without one, becomes beside the rows that are there. */
export function planOf(ordered: OrderedChain, included: KeyObject | undefined, store: Store, rows: CertificateRows): Planned {
  const sha256 = keySha256(ordered.own.publicKey);
  const sameKey = rows.all(store).filter((row) => row.keySha256 === sha256);
  const former =
    sameKey.find(({ chain }) => chain === null) ??
    sameKey.find(({ chain }) => chain !== null && chain.includes(ordered.own.toString())) ??
    sameKey.find(({ source }) => source === 'request');
  const here = sameKey.map((row) => rows.keyOf(row)).find((key) => key !== undefined);
  const key = included === undefined ? (here ?? null) : String(included.export({ type: 'pkcs8', format: 'pem' }));
  const keyFrom = included !== undefined ? 'included' : key === null ? 'missing' : 'here';
  return { ordered, key, keyFrom, keySha256: sha256, former };
}

/** What is in it, what would be done, and what is wrong with it. */
export function previewOf({ ordered, key, keyFrom, former }: Planned, view: Omit<View, 'use' | 'exportOf'>): ImportPreview {
  const { own, chain, leftOut, wasInOrder } = ordered;
  const facts = factsOf(own, chain);
  const as = { source: 'imported', hasKey: key !== null, renewsItself: false } as const;
  return {
    facts,
    key: keyFrom,
    order: wasInOrder ? 'in-order' : 'reordered',
    leftOut: leftOut.map(({ subject }) => nameOf(subject)),
    warnings: factWarnings(facts, [own, ...chain], as, view, former?.id ?? ''),
    replaces: former?.id ?? null,
  };
}

/** Stores it. A row that it completes keeps its id, and with it its use. Throws `CERTIFICATES_FULL`. */
export function storeImport(
  context: Context,
  planned: Planned,
  { store, rows, nowMs }: { store: Store; rows: CertificateRows; nowMs: number },
): string {
  const { ordered, key, keyFrom, former } = planned;
  if (former === undefined && rows.all(store).length >= CERTIFICATES_MAX) throw full();
  if (key !== null && !ordered.own.checkPrivateKey(createPrivateKey(key)))
    throw new Error('bug: a key beside another certificate');
  const { issuedTo, sha256 } = factsOf(ordered.own, []);
  const id = former?.id ?? newId('certificate', nowMs);
  store.transact(context, certificateImported({ issuedTo, sha256, key: keyFrom }), (tx) =>
    rows.put(
      tx,
      {
        id,
        source: former?.source ?? 'imported',
        chain: chainPem(ordered),
        keySha256: planned.keySha256,
        request: former?.request ?? null,
        addedAtMs: nowMs,
      },
      key,
    ),
  );
  return id;
}

export function full(): AppError {
  return new AppError(
    'conflict',
    'CERTIFICATES_FULL',
    `There are ${CERTIFICATES_MAX} certificates already: delete some that are not in use.`,
    {
      params: { most: CERTIFICATES_MAX },
    },
  );
}
