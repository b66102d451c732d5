import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { addressData, CLASS, decodeMessage, encodeMessage, OPCODE, TYPE } from './dns-message.ts';
import { sign, verify, type TsigKey } from './dns-tsig.ts';
import { pointName, type DnsTarget } from './dns-update.ts';

const NAMED = '/usr/sbin/named';
const isThere = process.platform === 'linux' && existsSync(NAMED);
const secret = Buffer.from('a secret of thirty-two bytes, no');
const good: TsigKey = { name: 'upd', algorithm: 'hmac-sha256', secret };

describe('DNS updates beside bind9', { skip: isThere ? false : 'bind9 is not installed' }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-bind-'));
  let named: ChildProcess;
  let port = 0;
  let said = '';

  before(async () => {
    port = await freePort();
    const zone = join(directory, 'zone');
    writeFileSync(
      zone,
      '$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\napp A 192.0.2.1\nother A 192.0.2.7\n',
    );
    const keys = [good.name, 'upd512'].map(
      (name, at) =>
        `key ${name} { algorithm ${at === 0 ? 'hmac-sha256' : 'hmac-sha512'}; secret "${secret.toString('base64')}"; };`,
    );
    writeFileSync(
      join(directory, 'named.conf'),
      `options { directory "${directory}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none; session-keyfile "${directory}/session"; allow-transfer { none; }; };
controls { };
${keys.join('\n')}
zone "pra.test" { type primary; file "${zone}"; update-policy { grant upd name app.pra.test. A; grant upd name fresh.pra.test. A AAAA; grant upd512 name app.pra.test. A; }; };
`,
    );
    named = spawn(NAMED, ['-g', '-c', join(directory, 'named.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    named.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
    await waitUntil('bind9 runs', () => said.includes('all zones loaded'));
  });
  after(async () => {
    const gone = once(named, 'exit');
    named.kill('SIGTERM');
    await gone;
    rmSync(directory, { recursive: true, force: true });
  });

  const target = (over: Partial<DnsTarget> = {}): DnsTarget => ({
    server: '127.0.0.1',
    port,
    zone: 'pra.test',
    name: 'app.pra.test',
    address: '192.0.2.2',
    ttlSeconds: 30,
    ...over,
  });

  it('points a name at another address, and says what was there before', async () => {
    assert.deepEqual(await pointName(target(), { key: good }), { changed: true, before: ['192.0.2.1'] });
    assert.deepEqual(await pointName(target(), { key: good }), { changed: false, before: ['192.0.2.2'] });
    const key: TsigKey = { ...good, name: 'upd512', algorithm: 'hmac-sha512' };
    assert.deepEqual(await pointName(target({ address: '192.0.2.3' }), { key }), { changed: true, before: ['192.0.2.2'] });
  });

  it('makes a name that is not there yet, of IPv6 too', async () => {
    const name = 'fresh.pra.test';
    assert.deepEqual(await pointName(target({ name }), { key: good }), { changed: true, before: [] });
    assert.deepEqual(await pointName(target({ name, address: '2001:db8::9' }), { key: good }), { changed: true, before: [] });
    assert.deepEqual(await pointName(target({ name, address: '2001:db8::a' }), { key: good }), {
      changed: true,
      before: ['2001:db8::9'],
    });
  });

  it('is refused a replay of its own message, since the record is another by then', async () => {
    await pointName(target({ address: '192.0.2.4' }), { key: good });
    const record = { name: 'app.pra.test', type: TYPE.A };
    const before = { ...record, class: CLASS.IN, ttlSeconds: 0, data: addressData('192.0.2.4') };
    const draft = encodeMessage({
      id: 77,
      opcode: OPCODE.update,
      question: { name: 'pra.test', type: TYPE.SOA },
      answers: [before],
      authority: [
        { ...record, class: CLASS.ANY, ttlSeconds: 0, data: Buffer.alloc(0) },
        { ...record, class: CLASS.IN, ttlSeconds: 30, data: addressData('192.0.2.5') },
      ],
    });
    const { bytes, mac } = sign(draft, good, Math.floor(Date.now() / 1000));
    const rcodes: number[] = [];
    for (let times = 0; times < 2; times++) {
      const verified = verify(await exchange(port, bytes), good, mac, Date.now() / 1000);
      if (verified.kind !== 'good') assert.fail(verified.kind);
      rcodes.push(verified.message.rcode);
    }
    const NXRRSET = 8;
    assert.deepEqual(rcodes, [0, NXRRSET]);
  });

  for (const [name, over, key, text] of [
    ['a name that its key may not change', { name: 'other.pra.test' }, good, /REFUSED/],
    ['a name outside of the zone', { name: 'app.else.test' }, good, /REFUSED|NOTZONE|NOTAUTH/],
    ['a zone that the server is not in charge of', { zone: 'else.test', name: 'app.else.test' }, good, /REFUSED|NOTAUTH/],
    ['a key that the server does not know', {}, { ...good, name: 'stranger' }, /does not know a key.*BADKEY/],
    ['a wrong secret', {}, { ...good, secret: Buffer.alloc(32, 1) }, /secret of the key is another.*BADSIG/],
  ] as const)
    it(`says in words why it was refused: ${name}`, async () => {
      await assert.rejects(pointName(target(over), { key }), (error: { code?: string; message?: string }) => {
        assert.equal(error.code, 'DNS_REFUSED');
        assert.match(error.message ?? '', text);
        return true;
      });
    });

  it('says by how much the clocks differ', async () => {
    const now = (): number => Date.now() + 3_600_000;
    await assert.rejects(pointName(target(), { key: good, now }), /BADTIME\), by 3(599|600|601) s/);
  });

  it('says that nobody answers', async () => {
    await assert.rejects(pointName(target({ port: await freePort() }), { key: good }), { code: 'DNS_SILENT' });
  });

  it('believes no yes that is not signed by our key for this question', async () => {
    for (const forge of [
      (question: Buffer) => yesTo(question),
      (question: Buffer) => sign(yesTo(question), good, Math.floor(Date.now() / 1000)).bytes,
      (question: Buffer) => sign(yesTo(question), { ...good, secret: Buffer.alloc(32, 7) }, Math.floor(Date.now() / 1000)).bytes,
    ]) {
      await using liar = await answering(forge);
      await assert.rejects(pointName(target({ port: liar.port }), { key: good, udpWaitMs: 100 }), { code: 'DNS_FORGED' });
    }
  });
});

describe('DNS messages', () => {
  it('are read back, and nothing that is cut or crooked is', () => {
    const message = encodeMessage({ id: 5, opcode: OPCODE.update, question: { name: 'Pra.Test', type: TYPE.SOA } });
    const read = decodeMessage(message);
    assert.deepEqual([read?.id, read?.opcode, read?.additional.length], [5, OPCODE.update, 1]);
    for (let length = 0; length < message.length; length++) assert.equal(decodeMessage(message.subarray(0, length)), undefined);
    // A name that points at itself.
    const loop = Buffer.concat([message.subarray(0, 12), Buffer.of(0xc0, 12), message.subarray(12)]);
    assert.equal(decodeMessage(loop), undefined);
  });

  it('carry what a server says beyond the code, without what could deceive a reader', () => {
    const text = Buffer.from('blocked\u0000 by \u202Eus');
    const option = Buffer.concat([Buffer.of(0, 15, 0, text.length + 2, 0, 18), text]);
    const message = encodeMessage({ id: 5, opcode: OPCODE.query, question: { name: 'a.test', type: TYPE.A } });
    message.writeUInt16BE(option.length, message.length - 2);
    const { extendedError } = decodeMessage(Buffer.concat([message, option])) ?? {};
    assert.deepEqual(extendedError, { code: 18, text: 'blocked  by  us' });
  });
});

/** The question as an answer without an error. */
function yesTo(question: Buffer): Buffer {
  const message = decodeMessage(question);
  const end = message?.lastRecordAt ?? question.length;
  const yes = Buffer.from(question.subarray(0, end));
  yes.writeUInt16BE(question.readUInt16BE(2) | 0x8000, 2);
  yes.writeUInt16BE(question.readUInt16BE(10) - 1, 10);
  return yes;
}

async function answering(answer: (question: Buffer) => Buffer): Promise<{ port: number } & AsyncDisposable> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (question, from) => socket.send(answer(question), from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = dgram.createSocket('udp4');
  socket.send(bytes, port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return answer;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
