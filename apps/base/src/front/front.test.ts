import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { AddressCounts } from './front-address-counts.ts';
import { readAlpn } from './front-alpn.ts';
import { bearsRehearsalCookie, requestHeaders, responseHeaders } from './front-headers.ts';
import { CLIENT_HELLO_MAX_BYTES, CLIENT_HELLO_MAX_RECORDS } from './front-limits.ts';
import { preferredLanguage } from './front-progress-page.ts';
import { clientHello } from '../../test/front-bench.ts';

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
    const counts = new AddressCounts(10, 1);
    assert.ok(counts.take('2001:db8::1'));
    assert.equal(counts.take('2001:db8:0:0:ffff::2'), undefined);
    assert.ok(counts.take('2001:db8:0:1::1'));
    assert.ok(counts.take('::ffff:10.0.0.1'));
    assert.equal(counts.take('10.0.0.1'), undefined);
  });
});

describe('headers on their way', () => {
  it('bear the cookie of a test by its whole name alone: a neighbour in the domain may set one that looks like it', () => {
    assert.ok(bearsRehearsalCookie({ cookie: `a=1;${REHEARSAL_COOKIE}=` }));
    for (const cookie of [`x${REHEARSAL_COOKIE}=1`, `x=${REHEARSAL_COOKIE}=1`, `${REHEARSAL_COOKIE}x=1`, undefined])
      assert.equal(bearsRehearsalCookie({ cookie }), false);
  });

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

/** The body of a ClientHello with these extensions. */
function helloBody(...extensions: Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32)),
    vector(2, Buffer.from([0x13, 1])),
    vector(1, Buffer.from([0])),
    vector(2, Buffer.concat(extensions)),
  ]);
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 0xff]), vector(2, body)]);
}

function vector(sizeBytes: 1 | 2 | 3, content: Buffer): Buffer {
  const size = Buffer.alloc(sizeBytes);
  size.writeUIntBE(content.length, 0, sizeBytes);
  return Buffer.concat([size, content]);
}

function alpnExtension(...names: string[]): Buffer {
  return extension(16, vector(2, Buffer.concat(names.map((name) => vector(1, Buffer.from(name))))));
}

/** The message in records of at most `recordBytes`. */
function records(message: Buffer, recordBytes = 16_000): Buffer {
  const cut = [];
  for (let at = 0; at < message.length; at += recordBytes)
    cut.push(Buffer.from([0x16, 3, 1]), vector(2, message.subarray(at, at + recordBytes)));
  return Buffer.concat(cut);
}

function helloMessage(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([1]), vector(3, body)]);
}

function protocolsIn(head: Buffer): readonly string[] | 'wrong' | 'more' {
  const read = readAlpn(head);
  return read.kind === 'read' ? read.protocols : read.kind;
}

describe('reading ALPN (wire 1.1)', () => {
  const sni = extension(0, Buffer.from('what it is called'));
  const hello = helloMessage(helloBody(sni, alpnExtension('bascule-link/1', 'h2'), extension(43, Buffer.from([2, 3, 4]))));

  it('finds what real clients send', async () => {
    for (const alpn of [['bascule-link/1'], ['h2', 'http/1.1'], []]) {
      const head = await clientHello(alpn);
      assert.deepEqual(protocolsIn(head), alpn);
      assert.deepEqual(protocolsIn(Buffer.concat([head, Buffer.from('early')])), alpn);
    }
  });

  it('finds them in a ClientHello that is cut into records', () => {
    for (const recordBytes of [hello.length, hello.length - 1, 64, 8])
      assert.deepEqual(protocolsIn(records(hello, recordBytes)), ['bascule-link/1', 'h2']);
    assert.deepEqual(protocolsIn(Buffer.concat([records(hello.subarray(0, 2)), records(hello.subarray(2))])), [
      'bascule-link/1',
      'h2',
    ]);
  });

  it('asks for the rest byte by byte, and never for less than it has', () => {
    const head = records(hello, 50);
    for (let length = 0; length < head.length; length++) {
      const read = readAlpn(head.subarray(0, length));
      assert.ok(read.kind === 'more' && read.wantedBytes > length && read.wantedBytes <= head.length, `at ${length}`);
    }
  });

  it('takes a ClientHello without extensions for one that offers nothing', () => {
    assert.deepEqual(protocolsIn(records(helloMessage(helloBody().subarray(0, -2)))), []);
    assert.deepEqual(protocolsIn(records(helloMessage(helloBody(sni)))), []);
  });

  for (const [name, head] of [
    ['another record', Buffer.from([0x15, 3, 1, 0, 2])],
    ['another version', Buffer.from([0x16, 2])],
    ['another message', Buffer.from([0x16, 3, 1, 0, 4, 2])],
    ['an empty record', Buffer.from([0x16, 3, 1, 0, 0])],
    ['a record that is too large', Buffer.from([0x16, 3, 1, 0x40, 0])],
    ['a message that is too large', Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0x40, 0])],
    ['more records than the limit', records(hello, Math.floor(hello.length / (CLIENT_HELLO_MAX_RECORDS + 1)))],
    ['another record in between', Buffer.concat([records(hello.subarray(0, 9)), Buffer.from([0x14])])],
    ['bytes after the extensions', records(helloMessage(Buffer.concat([helloBody(sni), Buffer.from([0])])))],
    ['extensions that end too early', records(helloMessage(helloBody(sni).subarray(0, -1)))],
    ['an extension longer than all of them', records(helloMessage(helloBody(sni.subarray(0, -1))))],
    ['ALPN twice', records(helloMessage(helloBody(alpnExtension('a'), alpnExtension('b'))))],
    ['ALPN without a protocol', records(helloMessage(helloBody(alpnExtension())))],
    ['a protocol without a name', records(helloMessage(helloBody(alpnExtension('a', ''))))],
    ['a name longer than the list', records(helloMessage(helloBody(extension(16, vector(2, Buffer.from([9, 97]))))))],
    ['a list shorter than its extension', records(helloMessage(helloBody(extension(16, Buffer.from([0, 2, 1, 97, 0])))))],
  ] as const) {
    it(`refuses ${name}`, () => assert.equal(protocolsIn(head), 'wrong'));
  }

  it('survives every record, and every damage to a sound one (fast-check)', () => {
    const head = records(hello, 60);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.tuple(fc.nat(head.length - 1), fc.nat(255)), { maxLength: 6 }),
        (bytes, damage) => {
          const damaged = Buffer.from(head);
          for (const [at, value] of damage) damaged[at] = value;
          for (const tried of [Buffer.from(bytes), records(helloMessage(Buffer.from(bytes))), damaged]) {
            const read = readAlpn(tried);
            if (read.kind === 'more') assert.ok(read.wantedBytes > tried.length && read.wantedBytes <= CLIENT_HELLO_MAX_BYTES);
            if (read.kind === 'read')
              assert.ok(read.protocols.every((protocol) => protocol.length > 0 && protocol.length <= 255));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
