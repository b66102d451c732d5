import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fromSite, toSite, type FromSite } from '@bascule/protocol/base-site.ts';
import { HandedCertificate, openWebCertificate } from '../../../base/src/certificates/certificates.ts';
import { BaseCertificate } from './establish-certificate.ts';

/** A site's end and the real end of base, with every message through its schema. */
async function openBoth(t: TestContext, name: string) {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-exchange-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const own = await openWebCertificate(directory, [name]);
  const handed = new HandedCertificate({ directory, own: () => own });
  const asked: FromSite['kind'][] = [];
  const site: BaseCertificate = new BaseCertificate({
    host: () => 'shared.example',
    known: () => ['known.example'],
    tell: (message) => {
      const question = fromSite.parse(message);
      asked.push(question.kind);
      assert.ok(question.kind === 'ask-certificate' || question.kind === 'take-certificate');
      const answer = toSite.parse(handed.answer(question));
      assert.ok(answer.kind === 'certificate');
      queueMicrotask(() => site.heard(answer));
    },
  });
  return { own, handed, site, asked };
}

test('the certificate of the shared name goes from base to base through both sites', async (t) => {
  const [primary, backup] = [await openBoth(t, 'shared.example'), await openBoth(t, 'south.example')];
  assert.deepEqual(await backup.site.names(), ['south.example']);
  await backup.site.take(await primary.site.give());
  assert.deepEqual(await backup.site.names(), ['south.example', 'shared.example']);
  assert.equal(backup.handed.keyPinFor('shared.example'), primary.own.keyPin);
  await assert.rejects(backup.site.take({ certificatePem: primary.own.cert, keyPem: backup.own.key }), {
    code: 'FAILOVER_CERTIFICATE_UNAVAILABLE',
  });
});
