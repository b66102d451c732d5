import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateSettingsPart } from './certificates.ts';
import { ADA, CertificateBench, filesOf, issueChain } from './testing.ts';

async function filled() {
  const bench = await new CertificateBench().open();
  const { middle, leaf } = await issueChain(['box.example']);
  await bench.certificates.import(ADA, filesOf(leaf.cert, middle.cert, leaf.key));
  const subject = { organization: '', organizationalUnit: '', locality: '', state: '', country: '' };
  await bench.certificates.request(ADA, { names: ['later.example'], key: 'ec-p256', ...subject });
  const id = bench.certificates.list().find(({ source }) => source === 'imported')?.id ?? '';
  bench.certificates.changeUse(ADA, { default: id, byName: [], addresses: [] });
  const { eabSecretSet: _set, ...acme } = bench.certificates.acme.records.settings();
  bench.certificates.changeAcme(ADA, { ...acme, names: ['box.example'], eabKeyId: 'kid', eabSecret: 'c2VjcmV0' });
  return { bench, id };
}

const partOf = ({ store, served, certificates }: CertificateBench) => certificateSettingsPart(store, served, certificates);

/** As the box settings do: through JSON and the part's schema. */
async function carried(bench: CertificateBench, withSecrets: boolean) {
  const part = partOf(bench);
  const text = JSON.stringify(await part.read(withSecrets));
  return { text, value: part.schema.parse(JSON.parse(text)) };
}

async function write(bench: CertificateBench, value: Awaited<ReturnType<typeof carried>>['value'], leftOut: string[] = []) {
  const part = partOf(bench);
  const event = { code: 'TEST_IMPORTED', summary: 'test', details: {} };
  bench.store.transact(ADA, event, (tx) => part.write(tx, value, (key) => leftOut.includes(key)));
  await part.applied();
}

test('everything comes over with secrets, keys of requests included, and is used as before', async () => {
  const { bench, id } = await filled();
  await using from = bench;
  await using to = await new CertificateBench().open();
  const { value } = await carried(from, true);
  const lines = await partOf(to).describe(value);
  assert.deepEqual(
    lines.map(({ code, unfit }) => [code, unfit]),
    [
      ['certificate', null],
      ['certificate', null],
      ['certificateUse', null],
      ['acme', null],
    ],
  );
  await write(to, value);
  assert.equal(to.served.forHost('box.example').id, id);
  assert.equal(to.served.forHost('box.example').web.key, from.served.forHost('box.example').web.key);
  assert.deepEqual(
    to.certificates
      .list()
      .map(({ state }) => state)
      .toSorted(),
    ['awaited', 'ready', 'ready'],
  );
  assert.deepEqual(to.certificates.acme.records.binding()?.keyId, 'kid');
  assert.equal(to.told.length, 1, 'whoever pins the key is told');
  assert.deepEqual(await partOf(to).describe(value), [], 'nothing is left to change');
});

test('without secrets no key leaves, and none is taken away', async () => {
  const { bench, id } = await filled();
  await using from = bench;
  const { text, value } = await carried(from, false);
  assert.ok(!text.includes('PRIVATE KEY') && !text.includes('c2VjcmV0'));
  await write(from, value);
  assert.equal(from.served.forHost('box.example').id, id, 'the key of before is kept');
  await using to = await new CertificateBench().open();
  await write(to, value, ['use']);
  assert.equal(to.certificates.list().find((one) => one.id === id)?.state, 'no-key');
  assert.equal(to.served.forHost('box.example').id, 'self-made');
});
