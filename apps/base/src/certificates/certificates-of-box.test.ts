import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { CERTIFICATES_MAX, SELF_MADE, type CertificateUse } from '@bascule/protocol/api/certificates.ts';
import { readCertificateFiles } from './certificate-files.ts';
import { ADA, CertificateBench, DAY_MS, filesOf, issue, issueChain } from './testing.ts';

const code = (wanted: string) => (error: unknown) => error instanceof AppError && error.code === wanted;
const useOf = (id: string, more: Partial<CertificateUse> = {}): CertificateUse => ({
  default: id,
  byName: [],
  addresses: [],
  ...more,
});
const warningsOf = (one: { warnings: { code: string }[] } | undefined) => one?.warnings.map((warning) => warning.code);

async function importedId(bench: CertificateBench, ...texts: (string | Uint8Array)[]): Promise<string> {
  const before = new Set(bench.certificates.list().map(({ id }) => id));
  const { certificates } = await bench.certificates.import(ADA, filesOf(...texts));
  return certificates.find(({ id }) => !before.has(id))?.id ?? '';
}

describe('an import', () => {
  it('puts a chain in order that lies in any, says so, and leaves out what does not belong to it', async () => {
    await using bench = await new CertificateBench().open();
    const { root, middle, leaf } = await issueChain(['box.example', '*.box.example']);
    const stranger = await issue('Somebody else');
    const files = filesOf(root.cert + stranger.cert + leaf.key, middle.cert + leaf.cert);
    const preview = await bench.certificates.inspect(files);
    assert.deepEqual(
      [preview.order, preview.key, preview.leftOut, preview.facts.chain.map(({ issuedTo }) => issuedTo)],
      ['reordered', 'included', ['Somebody else'], ['Test Intermediate', 'Test Root']],
    );
    assert.deepEqual(preview.facts.names, ['box.example', '*.box.example']);
    assert.equal(bench.certificates.list().length, 1, 'a preview stores nothing');
    const id = await importedId(bench, root.cert, leaf.key, middle.cert, leaf.cert);
    const stored = bench.certificates.list().find((one) => one.id === id);
    assert.deepEqual([stored?.state, stored?.facts?.issuedBy, stored?.inUse], ['ready', 'Test Intermediate', false]);
    const [own, ...chain] =
      bench.served
        .candidates()
        .get(id)
        ?.web.cert.match(/-----BEGIN[^]+?END CERTIFICATE-----/g) ?? [];
    assert.equal(new X509Certificate(own ?? '').fingerprint256, new X509Certificate(leaf.cert).fingerprint256);
    assert.equal(chain.length, 2);
  });

  it('refuses each kind of bad input with one clear error, and changes nothing', async () => {
    await using bench = await new CertificateBench().open();
    const { leaf } = await issueChain(['box.example']);
    const other = await issue('other', { names: ['other.example'] });
    const a = await issue('A', { isAuthority: true });
    const b = await issue('B', { isAuthority: true });
    const [aByB, bByA] = [
      await issue('A', { by: b, key: a.key, isAuthority: true }),
      await issue('B', { by: a, key: b.key, isAuthority: true }),
    ];
    const circular = await issue('box.example', { by: a, names: ['box.example'] });
    const before = bench.certificates.state();
    const cases: [string, ReturnType<typeof filesOf>][] = [
      ['CERTIFICATE_KEY_OTHER', filesOf(leaf.cert, other.key)],
      ['CERTIFICATE_CHAIN_CIRCULAR', filesOf(circular.cert, aByB.cert, bByA.cert, circular.key)],
      ['CERTIFICATE_CHAIN_CIRCULAR', filesOf(aByB.cert, bByA.cert)],
      ['CERTIFICATE_FILE_UNREADABLE', filesOf('garbage')],
      ['CERTIFICATE_FILE_UNREADABLE', filesOf(leaf.cert.slice(0, 300))],
      ['CERTIFICATE_FILE_UNREADABLE', filesOf(Buffer.from([0x30, 0x80, 0x30, 0x80]))],
      ['CERTIFICATE_NONE', filesOf(leaf.key)],
      ['CERTIFICATE_SEVERAL', filesOf(leaf.cert, other.cert)],
      ['CERTIFICATE_KEYS_SEVERAL', filesOf(leaf.cert, leaf.key, other.key)],
      ['CERTIFICATE_IMPORT_LARGE', filesOf(Buffer.alloc(1024 * 1024 + 1, 'a'))],
    ];
    for (const [wanted, files] of cases) await assert.rejects(bench.certificates.import(ADA, files), code(wanted), wanted);
    const { certificates } = bench.certificates.state();
    assert.deepEqual(certificates, before.certificates);
  });

  it('never stores more than the limit', async () => {
    await using bench = await new CertificateBench().open();
    const { names, key } = { names: ['box.example'], key: 'ec-p256' } as const;
    const subject = { organization: '', organizationalUnit: '', locality: '', state: '', country: '' };
    for (let count = 0; count < CERTIFICATES_MAX; count += 1)
      await bench.certificates.request(ADA, { names: [...names], key, ...subject });
    const { leaf } = await issueChain(['box.example']);
    await assert.rejects(bench.certificates.import(ADA, filesOf(leaf.cert, leaf.key)), code('CERTIFICATES_FULL'));
  });
});

describe('files under a passphrase', () => {
  const openssl = (directory: string, ...args: string[]) =>
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const ways: [string, string[]][] = [
    ['PKCS#12', ['pkcs12', '-export', '-inkey', 'k', '-in', 'c', '-passout', 'pass:Sesäm 1']],
    [
      'PKCS#12 of old programs (RC2, triple DES, SHA-1)',
      ['pkcs12', '-export', '-legacy', '-inkey', 'k', '-in', 'c', '-passout', 'pass:Sesäm 1'],
    ],
    ['PKCS#8 with PBES2', ['pkcs8', '-topk8', '-in', 'k', '-v2', 'aes-256-cbc', '-passout', 'pass:Sesäm 1']],
    ['PKCS#8 with scrypt', ['pkcs8', '-topk8', '-in', 'k', '-scrypt', '-passout', 'pass:Sesäm 1']],
    [
      'PKCS#8 with PBES1',
      [
        'pkcs8',
        '-topk8',
        '-in',
        'k',
        '-v1',
        'PBE-MD5-DES',
        '-provider',
        'legacy',
        '-provider',
        'default',
        '-passout',
        'pass:Sesäm 1',
      ],
    ],
    ['the PEM of old OpenSSL', ['rsa', '-traditional', '-aes128', '-in', 'k', '-passout', 'pass:Sesäm 1']],
  ];
  for (const [name, args] of ways)
    it(`open with it alone: ${name}`, async () => {
      await using bench = await new CertificateBench().open();
      const rsa = await issue('box.example', { names: ['box.example'], rsaBits: 2048 });
      writeFileSync(join(bench.directory, 'k'), rsa.key);
      writeFileSync(join(bench.directory, 'c'), rsa.cert);
      openssl(bench.directory, ...args, '-out', 'file');
      const files = [{ name: 'file', bytes: readFileSync(join(bench.directory, 'file')) }];
      const { keys } = await readCertificateFiles(files, 'Sesäm 1');
      assert.equal(String(keys[0]?.export({ type: 'pkcs8', format: 'pem' })), rsa.key);
      await assert.rejects(readCertificateFiles(files, 'wrong'), code('CERTIFICATE_PASSPHRASE_WRONG'));
      await assert.rejects(readCertificateFiles(files, undefined), code('CERTIFICATE_PASSPHRASE_MISSING'));
    });

  it('that ask for endless work are refused', async () => {
    await using bench = await new CertificateBench().open();
    writeFileSync(join(bench.directory, 'k'), (await issue('x')).key);
    openssl(bench.directory, 'pkcs8', '-topk8', '-in', 'k', '-iter', '2000001', '-passout', 'pass:x', '-out', 'file');
    const files = [{ name: 'file', bytes: readFileSync(join(bench.directory, 'file')) }];
    await assert.rejects(readCertificateFiles(files, 'x'), code('CERTIFICATE_KDF_TOO_MUCH'));
  });

  it('leave by an export: the key never without one, and openssl opens them', async () => {
    await using bench = await new CertificateBench().open();
    const { root, middle, leaf } = await issueChain(['box.example']);
    const id = await importedId(bench, leaf.cert, middle.cert, root.cert, leaf.key);
    const all = { certificate: true, key: true, chain: true };
    for (const passphrase of [undefined, 'too short'])
      await assert.rejects(
        bench.certificates.export(ADA, id, { ...all, format: 'pem', passphrase }),
        code('CERTIFICATE_PASSPHRASE_SHORT'),
      );
    assert.equal(bench.certificates.list().find((one) => one.id === id)?.lastExportAtMs, null);
    const plain = await bench.certificates.export(ADA, id, { certificate: true, key: false, chain: true, format: 'pem' });
    assert.equal(Buffer.from(plain.content, 'base64').toString(), leaf.cert + middle.cert + root.cert);
    for (const format of ['pem', 'pkcs12'] as const) {
      const { content, fileName } = await bench.certificates.export(ADA, id, { ...all, format, passphrase: 'a long sésam here' });
      const bytes = Buffer.from(content, 'base64');
      assert.ok(!bytes.toString('latin1').includes('BEGIN PRIVATE KEY'), fileName);
      const again = await readCertificateFiles([{ name: fileName, bytes }], 'a long sésam here');
      assert.equal(again.certificates.length, 3);
      assert.equal(String(again.keys[0]?.export({ type: 'pkcs8', format: 'pem' })), leaf.key);
      writeFileSync(join(bench.directory, fileName), bytes);
      const verb = format === 'pem' ? ['pkey', '-in', fileName, '-noout'] : ['pkcs12', '-in', fileName, '-nodes'];
      openssl(bench.directory, ...verb, '-passin', 'pass:a long sésam here');
    }
    const exported = bench.certificates.list().find((one) => one.id === id);
    assert.deepEqual([exported?.lastExportAtMs, exported?.lastKeyExportAtMs], [bench.nowMs, bench.nowMs]);
    assert.equal(exported?.state, 'ready', 'it stays (B197)');
  });
});

test('a request keeps its key here, and the certificate that comes for it finds it', async () => {
  await using bench = await new CertificateBench().open();
  const asked = {
    names: ['box.example', 'www.box.example'],
    key: 'rsa-2048',
    organization: 'Ex, Ample',
    organizationalUnit: '',
    locality: '',
    state: '',
    country: 'DE',
  } as const;
  const { id, pem } = await bench.certificates.request(ADA, { ...asked, names: [...asked.names] });
  const waiting = bench.certificates.list().find((one) => one.id === id);
  assert.deepEqual(
    [waiting?.state, warningsOf(waiting), waiting?.request?.names],
    ['awaited', ['awaits-certificate'], [...asked.names]],
  );
  assert.throws(() => bench.certificates.changeUse(ADA, useOf(id)), code('CERTIFICATE_NOT_USABLE'));
  writeFileSync(join(bench.directory, 'csr'), pem);
  const text = execFileSync('openssl', ['req', '-in', 'csr', '-noout', '-text', '-verify'], {
    cwd: bench.directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
  assert.match(text, /DNS:box\.example, DNS:www\.box\.example/);
  assert.match(text, /C = DE, O = "Ex, Ample", CN = box\.example/);
  // The authority answers: another certificate for the same key.
  await bench.restart();
  const row = bench.served.rows.get(bench.store, id);
  const key = bench.served.rows.keyOf(row!) ?? '';
  assert.ok(!readFileSync(join(bench.directory, 'box.db')).includes('PRIVATE KEY'), 'keys are wrapped');
  const { root, middle } = await issueChain(['x']);
  const answer = await issue('box.example', { by: middle, names: [...asked.names], key });
  const preview = await bench.certificates.inspect(filesOf(answer.cert, middle.cert, root.cert));
  assert.deepEqual([preview.key, preview.replaces], ['here', id]);
  await bench.certificates.import(ADA, filesOf(answer.cert, middle.cert, root.cert));
  assert.equal(bench.certificates.list().find((one) => one.id === id)?.state, 'ready');
  bench.certificates.changeUse(ADA, useOf(id));
  assert.equal(bench.served.forHost('box.example').id, id);
});

describe('use', () => {
  it('is by name before address before Default, the best fit first', async () => {
    await using bench = await new CertificateBench().open();
    const wild = await importedId(bench, ...(await pairFor('*.box.example')));
    const exact = await importedId(bench, ...(await pairFor('www.box.example')));
    const byAddress = await importedId(bench, ...(await pairFor('address.example')));
    const main = await importedId(bench, ...(await pairFor('box.example')));
    const at = (serverName: string, localAddress = '192.0.2.9') => bench.served.choose({ serverName, localAddress }).id;
    assert.equal(at('box.example'), SELF_MADE);
    bench.certificates.changeUse(
      ADA,
      useOf(main, { byName: [wild, exact], addresses: [{ address: '192.0.2.10', certificate: byAddress }] }),
    );
    assert.deepEqual(
      [
        at('www.box.example'),
        at('other.box.example'),
        at('deep.other.box.example'),
        at(''),
        at('', '192.0.2.10'),
        at('www.box.example', '192.0.2.10'),
      ],
      [exact, wild, main, main, byAddress, exact],
    );
    bench.nowMs += 200 * DAY_MS;
    assert.equal(at('www.box.example'), exact, 'an ended exact one still names it best');
    await bench.restart();
    assert.equal(at('other.box.example'), wild);
    assert.throws(
      () => bench.certificates.changeUse(ADA, useOf(main, { addresses: [{ address: '198.51.100.1', certificate: main }] })),
      code('CERTIFICATE_ADDRESS_UNKNOWN'),
    );
    assert.throws(() => bench.certificates.remove(ADA, wild), code('CERTIFICATE_IN_USE'));
    bench.certificates.changeUse(ADA, useOf(SELF_MADE));
    bench.certificates.remove(ADA, wild);
    assert.equal(
      bench.certificates.list().some(({ id }) => id === wild),
      false,
    );
  });

  it('says before who would be lost, and tells who pins the key after', async () => {
    await using bench = await new CertificateBench().open();
    const { root, middle, leaf } = await issueChain(['box.example']);
    const id = await importedId(bench, leaf.cert, middle.cert, root.cert, leaf.key);
    const preview = await bench.certificates.previewUse(useOf(id));
    const [asked] = bench.asked;
    assert.ok(asked?.kind === 'certificate');
    assert.deepEqual([asked.names, asked.isPubliclyTrusted, asked.keySha256], [['box.example'], false, preview.after.keySha256]);
    assert.deepEqual([preview.before.id, preview.after.id, preview.losses?.trouble], [SELF_MADE, id, 1]);
    assert.deepEqual(bench.told, []);
    bench.certificates.changeUse(ADA, useOf(id));
    assert.deepEqual(bench.told, [bench.served.forHost('box.example').web.keyPin]);
    bench.certificates.changeUse(ADA, useOf(id, { byName: [id] }));
    assert.equal(bench.told.length, 1, 'the same key: nobody is told');
  });

  it('goes on with a new certificate that takes the place of the same request', async () => {
    await using bench = await new CertificateBench().open();
    const { middle, leaf } = await issueChain(['box.example']);
    const id = await importedId(bench, leaf.cert, middle.cert, leaf.key);
    bench.certificates.changeUse(ADA, useOf(id));
    const again = await bench.certificates.inspect(filesOf(leaf.cert, middle.cert));
    assert.equal(again.replaces, id);
  });
});

test('warnings say what is wrong, in the order of their weight', async () => {
  await using bench = await new CertificateBench().open();
  const { middle } = await issueChain(['x']);
  const cases: [string[], Awaited<ReturnType<typeof issue>>, string[]][] = [
    [
      ['expired', 'unknown-authority'],
      await issue('box.example', { names: ['box.example'], fromMs: Date.now() - 9 * DAY_MS, toMs: Date.now() - DAY_MS }),
      [],
    ],
    [
      ['expires-soon', 'unknown-authority'],
      await issue('box.example', { names: ['box.example'], toMs: Date.now() + 5 * DAY_MS }),
      [],
    ],
    [
      ['not-yet-valid', 'unknown-authority'],
      await issue('box.example', { names: ['box.example'], fromMs: Date.now() + 5 * DAY_MS }),
      [],
    ],
    [['chain-incomplete'], await issue('box.example', { names: ['box.example'], by: middle }), []],
    [['name-mismatch', 'unknown-authority'], await issue('other', { names: ['other.example'] }), []],
    [['weak-key', 'unknown-authority'], await issue('box.example', { names: ['box.example'], rsaBits: 1024 }), []],
  ];
  for (const [wanted, { cert, key }] of cases) {
    const preview = await bench.certificates.inspect(filesOf(cert, key));
    assert.deepEqual(warningsOf(preview), wanted);
  }
  const rsaAuthority = await issue('Old Root', { isAuthority: true, rsaBits: 2048 });
  const sha1 = await issue('box.example', { names: ['box.example'], by: rsaAuthority, hash: 'SHA-1' });
  assert.deepEqual(warningsOf(await bench.certificates.inspect(filesOf(sha1.cert, rsaAuthority.cert))), [
    'key-missing',
    'weak-signature',
    'unknown-authority',
  ]);
  const own = bench.certificates.list()[0];
  assert.deepEqual([own?.id, warningsOf(own), own?.used.forPublicHost], [SELF_MADE, ['self-made'], true]);
});

test('people are told 30, 14, 7 days and 1 day before one in use ends, once each', async () => {
  await using bench = await new CertificateBench().open();
  const endMs = bench.nowMs + 100 * DAY_MS;
  const leaf = await issue('box.example', { names: ['box.example'], toMs: endMs });
  const id = await importedId(bench, leaf.cert, leaf.key);
  const at = (days: number) => {
    bench.nowMs = endMs - days * DAY_MS;
    bench.certificates.lookAtEnds();
    return bench.mails.length;
  };
  assert.equal(at(20), 0, 'not in use');
  bench.nowMs = endMs - 99 * DAY_MS;
  bench.certificates.changeUse(ADA, useOf(id));
  assert.deepEqual([at(31), at(30), at(29), at(14), at(13.5), at(7), at(2), at(1), at(0.5)], [0, 1, 1, 2, 2, 3, 3, 4, 4]);
  await bench.restart();
  assert.equal(at(0.4), 4);
  assert.match(JSON.stringify(bench.mails.at(-1)), /box\.example ends in 1 day/);
});

test('both appliances of a pair are compared name by name', async () => {
  await using bench = await new CertificateBench().open();
  assert.equal((await bench.certificates.compare()).state, 'none');
  await using other = await new CertificateBench().open();
  bench.peer = {
    name: 'other',
    answer: (question) => ({
      ok: true,
      certificates: other.certificates.answerPeer(question.kind === 'certificates' ? question.names : []),
    }),
  };
  await bench.restart();
  const { leaf } = await issueChain(['box.example', 'www.box.example']);
  const verdicts = async () =>
    Object.fromEntries((await bench.certificates.compare()).names.map(({ name, verdict }) => [name, verdict]));
  assert.deepEqual(await verdicts(), { 'box.example': 'other-key' });
  const id = await importedId(bench, leaf.cert, leaf.key);
  bench.certificates.changeUse(ADA, useOf(id));
  assert.deepEqual(await verdicts(), { 'box.example': 'other-key', 'www.box.example': 'not-covered-there' });
  other.certificates.changeUse(ADA, useOf(await importedId(other, leaf.cert, leaf.key)));
  assert.deepEqual(await verdicts(), { 'box.example': 'same', 'www.box.example': 'same' });
  bench.peer = undefined;
});

async function pairFor(name: string): Promise<string[]> {
  const { cert, key } = await issue(name, { names: [name] });
  return [cert, key];
}
