import { createPrivateKey } from 'node:crypto';
import { acmeSettings, CERTIFICATES_MAX, type AcmeSettings } from '@bascule/protocol/api/certificates.ts';
import type { SettingsLine } from '@bascule/protocol/api/box-settings.ts';
import type { Store } from '@bascule/store/store.ts';
import { z } from 'zod';
import type { BoxSettingsPart } from '../box-settings/box-settings.ts';
import { certificatesIn, chainPem, orderChain, publicSha256 } from './certificate-chain.ts';
import { factsOf, keySha256 } from './certificate-facts.ts';
import type { Certificates } from './certificates-of-box.ts';
import type { ServedCertificates } from './served-certificates.ts';
import { describeRequest } from './signing-request.ts';

const storedCertificate = z.object({
  id: z.string().max(100),
  source: z.enum(['imported', 'request', 'acme']),
  chain: z.string().max(200_000).nullable(),
  /** With secrets alone. */
  key: z.string().max(20_000).optional(),
  request: z.string().max(20_000).nullable(),
});
const value = z.object({
  certificates: z.array(storedCertificate).max(CERTIFICATES_MAX),
  use: z.object({
    default: z.string().max(100),
    byName: z.array(z.string().max(100)).max(CERTIFICATES_MAX),
    addresses: z.array(z.object({ address: z.string().max(45), certificate: z.string().max(100) })).max(64),
  }),
  acme: acmeSettings.omit({ eabSecretSet: true }),
  eabSecret: z.string().max(500).optional(),
});
type Value = z.infer<typeof value>;

/** The certificates among the box's settings: all of them, their private keys only with secrets. The self-made one stays each box's own. */
export function certificateSettingsPart(
  store: Store,
  served: ServedCertificates,
  certificates: Certificates,
): BoxSettingsPart<Value> {
  const { rows } = served;
  return {
    name: 'certificates',
    schema: value,
    read(withSecrets) {
      const { eabSecretSet: _set, ...acme } = certificates.acme.records.settings();
      const eabSecret = withSecrets ? certificates.acme.records.eabSecret() : undefined;
      return {
        certificates: rows.all(store).map((row) => {
          const key = withSecrets ? rows.keyOf(row) : undefined;
          return { id: row.id, source: row.source, chain: row.chain, request: row.request, ...(key !== undefined && { key }) };
        }),
        use: served.use,
        acme,
        ...(eabSecret !== undefined && { eabSecret }),
      };
    },
    describe: (wanted) => describe(wanted, store, served, certificates.acme.records.settings()),
    write(tx, wanted, isLeftOut) {
      for (const one of wanted.certificates) {
        if (isLeftOut(keyOfLine(one))) continue;
        const read = readStored(one);
        if (read === undefined) continue;
        // A file without secrets takes no key away.
        const here = rows.all(tx).filter((row) => row.keySha256 === read.sha256);
        const key = one.key ?? here.map((row) => rows.keyOf(row)).find((found) => found !== undefined) ?? null;
        const { id, source, request } = one;
        rows.put(tx, { id, source, chain: read.chain, keySha256: read.sha256, request, addedAtMs: Date.now() }, key);
      }
      if (!isLeftOut('use')) rows.putSetting(tx, 'use', wanted.use);
      if (!isLeftOut('acme')) certificates.acme.records.write(tx, wanted.acme, wanted.eabSecret);
    },
    applied() {
      certificates.reload();
      certificates.acme.start();
    },
  };
}

function describe(wanted: Value, store: Store, served: ServedCertificates, acmeHere: AcmeSettings): SettingsLine[] {
  const { rows } = served;
  const lines: SettingsLine[] = [];
  for (const one of wanted.certificates) {
    const read = readStored(one);
    const row = rows.get(store, one.id);
    if (row !== undefined && row.chain === read?.chain && (row.privateKey !== null || one.key === undefined)) continue;
    const name = read?.name ?? one.id;
    const key = one.key !== undefined ? 'yes' : 'no';
    lines.push({
      key: keyOfLine(one),
      code: 'certificate',
      params: { name, key },
      text: `Certificate for ${name}, ${one.key === undefined ? 'without' : 'with'} its private key`,
      unfit: read === undefined ? 'It cannot be read, or its key belongs to another certificate.' : null,
    });
  }
  if (JSON.stringify(wanted.use) !== JSON.stringify(served.use))
    lines.push({
      key: 'use',
      code: 'certificateUse',
      params: { default: wanted.use.default },
      text: 'Which certificate is the default, which are used by name, and which at which address',
      unfit: null,
    });
  const { eabSecretSet: _set, ...acme } = acmeHere;
  if (JSON.stringify(acme) !== JSON.stringify(wanted.acme))
    lines.push({
      key: 'acme',
      code: 'acme',
      params: { names: wanted.acme.names.join(', ') },
      text: `Automatic certificates (ACME) ${wanted.acme.isOn ? 'on' : 'off'}, for ${wanted.acme.names.join(', ') || 'no name'}`,
      unfit: null,
    });
  return lines;
}

const keyOfLine = ({ id }: { id: string }): string => `certificate ${id}`;

/** Undefined: it cannot be used as it stands in the file. */
function readStored({
  chain,
  key,
  request,
}: z.infer<typeof storedCertificate>): { chain: string | null; sha256: string; name: string } | undefined {
  try {
    const privateKey = key === undefined ? undefined : createPrivateKey(key);
    if (chain === null) {
      if (privateKey === undefined || request === null) return undefined;
      return { chain, sha256: publicSha256(key ?? ''), name: describeRequest(request).names.join(', ') };
    }
    const ordered = orderChain(certificatesIn(chain), privateKey);
    return { chain: chainPem(ordered), sha256: keySha256(ordered.own.publicKey), name: factsOf(ordered.own, []).issuedTo };
  } catch {
    return undefined;
  }
}
