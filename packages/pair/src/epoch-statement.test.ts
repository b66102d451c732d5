import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { readStatement, signStatement, statementOf } from './epoch-statement.ts';

const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const another = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pemOf = (pair: typeof identity) => pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const content = {
  history: 'h',
  epoch: 3,
  holder: 'a'.repeat(64),
  holderName: 'A',
  predecessor: { history: 'h', epoch: 2 },
  atMs: 5,
};
const signed = signStatement(content, (bytes) => sign('sha256', bytes, identity.privateKey));
const WRONG = { code: 'PAIR_STATEMENT_WRONG' };

test('a statement is believed when the site identity, or one before it, signed it', () => {
  deepStrictEqual(readStatement(signed, [pemOf(identity)]), { format: 'bascule-epoch/1', ...content });
  strictEqual(readStatement(signed, [pemOf(another), pemOf(identity)]).epoch, 3);
  throws(() => readStatement(signed, [pemOf(another)]), WRONG);
  throws(() => readStatement(signed, []), WRONG);
  throws(() => readStatement(signed, ['no key']), WRONG);
});

test('a changed statement, or another text of the identity, claims nothing', () => {
  throws(
    () => readStatement({ ...signed, statement: signed.statement.replace('"epoch":3', '"epoch":4') }, [pemOf(identity)]),
    WRONG,
  );
  throws(() => readStatement({ ...signed, signature: '' }, [pemOf(identity)]), WRONG);
  const text = JSON.stringify({ format: 'bascule-client-record/1', epoch: 9 });
  const other = { statement: text, signature: sign('sha256', Buffer.from(text), identity.privateKey).toString('base64') };
  throws(() => readStatement(other, [pemOf(identity)]), WRONG);
  strictEqual(statementOf({ statement: 'no JSON', signature: '' }), undefined);
});
