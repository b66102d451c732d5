import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { encode, NotThat, nothing, number, octets, oid, sequence, tagged, type Part } from './asn1.ts';
import { readCertificateFiles } from './certificate-files.ts';
import { DerivationBudget, KDF_ROUNDS_MAX } from './password-based.ts';
import { openPkcs12 } from './pkcs12-read.ts';
import { writePkcs12 } from './pkcs12-write.ts';
import { issue } from './testing.ts';

const PASSPHRASE = 'a passphrase';
const DATA = '1.2.840.113549.1.7.1';
const VERSION = 3;
/** Of `writePkcs12`: one derivation each for the certificates, the key and the MAC. */
const ROUNDS_WRITTEN = 300_000;
const tooMuch = (error: unknown) => error instanceof AppError && error.code === 'CERTIFICATE_KDF_TOO_MUCH';

async function written(): Promise<Buffer> {
  const { key, cert } = await issue('box.example');
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  return await writePkcs12({ certificates: [new X509Certificate(cert).raw], key: der, ownFirst: true }, PASSPHRASE);
}

/** A file with `parts`, and with a MAC of `macBytes`. */
function fileOf(parts: Part[], macBytes?: number): Buffer {
  const SHA256 = '2.16.840.1.101.3.4.2.1';
  const contents = sequence(oid(DATA), tagged(0, octets(encode(sequence(...parts)))));
  if (macBytes === undefined) return encode(sequence(number(VERSION), contents));
  const digest = sequence(sequence(oid(SHA256), nothing()), octets(randomBytes(macBytes)));
  return encode(sequence(number(VERSION), contents, sequence(digest, octets(randomBytes(8)), number(2_000))));
}

describe('PKCS#12 of somebody who wants it to cost much', () => {
  it('has a MAC as long as its digest, or none of it is derived', async () => {
    await assert.rejects(openPkcs12(fileOf([], 32), PASSPHRASE, new DerivationBudget()), {
      code: 'CERTIFICATE_PASSPHRASE_WRONG',
    });
    for (const length of [0, 31, 33, 8_000]) {
      const budget = new DerivationBudget(2_000);
      await assert.rejects(openPkcs12(fileOf([], length), PASSPHRASE, budget), NotThat);
      assert.equal(budget.take(2_000), 2_000, 'nothing was taken');
    }
  });

  it('has one budget of rounds for all that is in it', async () => {
    const file = await written();
    assert.equal((await openPkcs12(file, PASSPHRASE, new DerivationBudget(ROUNDS_WRITTEN))).keys.length, 1);
    await assert.rejects(openPkcs12(file, PASSPHRASE, new DerivationBudget(ROUNDS_WRITTEN - 1)), tooMuch);
  });

  it('shares it with the other files of one import', async () => {
    const file = { name: 'a.p12', bytes: await written() };
    const many = Math.floor(KDF_ROUNDS_MAX / ROUNDS_WRITTEN) + 1;
    await assert.rejects(
      readCertificateFiles(
        Array.from({ length: many }, () => file),
        PASSPHRASE,
      ),
      tooMuch,
    );
  });

  it('has a limited number of parts', async () => {
    const part = sequence(oid(DATA), tagged(0, octets(encode(sequence()))));
    const opened = (count: number) =>
      openPkcs12(fileOf(Array.from({ length: count }, () => part)), PASSPHRASE, new DerivationBudget());
    assert.deepEqual(await opened(200), { certificates: [], keys: [] });
    await assert.rejects(opened(201), NotThat);
  });
});
