import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRecord, encodeSize, InputRecord, OutputRecord } from '@bascule/wire/records.ts';
import { InputLedger } from './input-ledger.ts';

const ORIGIN = 'ab'.repeat(16);
const keys = (text: string) => encodeRecord(InputRecord.keys, Buffer.from(text));
const resize = Uint8Array.from([InputRecord.resize, ...encodeSize(OutputRecord.resized, 80, 24).subarray(1)]);

test('16 keys are 16 bytes typed: framing and sizes do not count, however the stream is cut', () => {
  const stream = Buffer.concat([resize, ...Array.from('0123456789abcdef', keys)]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 })), (lengths) => {
      const ledger = new InputLedger();
      let offset = 0;
      for (const length of [...lengths, stream.length]) {
        const piece = stream.subarray(offset, offset + length);
        ledger.passedOn(ORIGIN, offset, piece);
        offset += piece.length;
      }
      assert.equal(ledger.typedBytes, 16);
    }),
  );
});

test('what is passed on again after a break counts once; another relay goes on from the count before', () => {
  const ledger = new InputLedger();
  const first = keys('abc');
  const second = keys('defg');
  ledger.passedOn(ORIGIN, 0, first);
  ledger.passedOn(ORIGIN, first.length, second);
  ledger.reset({ [ORIGIN]: first.length });
  ledger.passedOn(ORIGIN, first.length, second);
  ledger.passedOn(ORIGIN, 0, Buffer.concat([first, second, keys('h')]));
  assert.equal(ledger.typedBytes, 8);

  const next = new InputLedger(ledger.typedBytes);
  next.reset({ [ORIGIN]: 1000 });
  next.passedOn(ORIGIN, 1000, keys('i'));
  assert.equal(next.typedBytes, 9);
});
