import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { AddressCounts, addressKey } from './front-address-counts.ts';
import { readAlpn } from './front-client-hello.ts';
import { requestHeaders, responseHeaders } from './front-headers.ts';
import { preferredLanguage } from './front-progress-page.ts';

describe('counting by address', () => {
  it('has a limit for each and one for all, and forgets who has nothing', () => {
    const counts = new AddressCounts(3, 2);
    const first = counts.take('10.0.0.1');
    assert.ok(first && counts.take('10.0.0.1'));
    assert.equal(counts.take('10.0.0.1'), undefined);
    assert.ok(counts.take('10.0.0.2'));
    assert.equal(counts.take('10.0.0.3'), undefined);
    first();
    first();
    assert.equal(counts.total, 2);
    assert.ok(counts.take('10.0.0.3'));
  });

  it('takes an IPv6 subscriber for one', () => {
    assert.equal(addressKey('2001:db8::1'), addressKey('2001:db8:0:0:ffff::2'));
    assert.notEqual(addressKey('2001:db8:0:1::1'), addressKey('2001:db8::1'));
    assert.equal(addressKey('::1'), addressKey('::2'));
    assert.equal(addressKey('::ffff:10.0.0.1'), '10.0.0.1');
  });
});

describe('headers on their way', () => {
  it('lose what belongs to a hop and what `connection` names', () => {
    const raw = [
      'Host',
      'x',
      'Connection',
      'close, X-Secret',
      'X-Secret',
      '1',
      'TE',
      'trailers',
      'X-Bascule-Csrf',
      't',
      'X-Bascule-Peer',
      '1',
      'Expect',
      '100-continue',
    ];
    assert.deepEqual(requestHeaders(raw), ['Host', 'x', 'X-Bascule-Csrf', 't']);
  });

  it('keep their length and host even when `connection` names them', () => {
    assert.deepEqual(requestHeaders(['Connection', 'content-length, host', 'Content-Length', '5', 'Host', 'x']), [
      'Content-Length',
      '5',
      'Host',
      'x',
    ]);
  });

  it('keep doubled answer headers apart', () => {
    const raw = ['Set-Cookie', 'a', 'Set-Cookie', 'b', 'Strict-Transport-Security', 'max-age=1', 'Transfer-Encoding', 'chunked'];
    assert.deepEqual(responseHeaders(raw), ['Set-Cookie', 'a', 'Set-Cookie', 'b']);
  });
});

describe('the language of the progress page', () => {
  for (const [header, language] of [
    [undefined, 'en'],
    ['fr', 'en'],
    ['it-IT', 'it'],
    ['fr;q=0.9, nl;q=0.5, de;q=0.7', 'de'],
    ['de;q=0, nl', 'nl'],
    ['en;q=x, de', 'en'],
  ] as const) {
    it(`of '${header}' is ${language}`, () => assert.equal(preferredLanguage(header), language));
  }
});

describe('reading ALPN', () => {
  it('survives every record (fast-check)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        const head = Buffer.concat([Buffer.from([0x16, 3, 1, bytes.length >> 8, bytes.length & 0xff]), bytes]);
        const alpn = await readAlpn(head);
        assert.ok(alpn === undefined || Array.isArray(alpn));
      }),
      { numRuns: 300 },
    );
  });
});
