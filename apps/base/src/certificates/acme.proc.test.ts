import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import https from 'node:https';
import { X509Certificate } from 'node:crypto';
import { createLog } from '@bascule/log/log.ts';
import type { AcmeChange } from '@bascule/protocol/api/certificates.ts';
import { Front, PlainDoor, type SiteProgram } from '../front/front.ts';
import { ADA, CertificateBench, issue } from './testing.ts';

const SECRET = Buffer.alloc(32, 7).toString('base64url');
const NAMES = ['box.example', 'www.box.example'];
/** However slow the machine is: nothing waits for it when all goes well. */
const PEBBLE_START_LIMIT_MS = 60_000;

/** Debian's pebble with a resolver that leads every name here, and the two ports at which it validates. */
class Pebble {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-pebble-'));
  readonly ca: string;
  readonly directoryUrl: string;
  readonly #children: ChildProcess[] = [];

  private constructor(ca: string, port: number) {
    this.ca = ca;
    this.directoryUrl = `https://localhost:${port}/dir`;
  }

  static async start(ports: { http: number; tls: number }, options: { binding: boolean }): Promise<Pebble> {
    const authority = await issue('Directory CA', { isAuthority: true });
    const served = await issue('localhost', { by: authority, names: ['localhost'] });
    const [port, management, dns, dnsManagement] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const pebble = new Pebble(authority.cert, port);
    writeFileSync(join(pebble.directory, 'cert.pem'), served.cert);
    writeFileSync(join(pebble.directory, 'key.pem'), served.key);
    const config = {
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: join(pebble.directory, 'cert.pem'),
        privateKey: join(pebble.directory, 'key.pem'),
        httpPort: ports.http,
        tlsPort: ports.tls,
        domainBlocklist: ['refused.example'],
        externalAccountBindingRequired: options.binding,
        externalAccountMACKeys: { 'kid-1': SECRET },
      },
    };
    writeFileSync(join(pebble.directory, 'config.json'), JSON.stringify(config));
    pebble.#spawn('pebble-challtestsrv', [
      `-dns01=127.0.0.1:${dns}`,
      `-management=127.0.0.1:${dnsManagement}`,
      '-http01=',
      '-https01=',
      '-tlsalpn01=',
      '-defaultIPv4=127.0.0.1',
      '-defaultIPv6=',
    ]);
    pebble.#spawn('pebble', ['-config', join(pebble.directory, 'config.json'), '-dnsserver', `127.0.0.1:${dns}`]);
    await pebble.#answers();
    await pebble.#accepts(dnsManagement);
    return pebble;
  }

  async stop(): Promise<void> {
    for (const child of this.#children.filter((one) => one.exitCode === null)) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(program: string, args: string[]): void {
    const child = spawn(program, args, {
      stdio: 'ignore',
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' },
    });
    this.#children.push(child);
  }

  /** The resolver opens its ports together. */
  async #accepts(port: number): Promise<void> {
    const sinceMs = performance.now();
    while (performance.now() - sinceMs < PEBBLE_START_LIMIT_MS) {
      const socket = net.connect(port, '127.0.0.1');
      const isOpen = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (isOpen) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the resolver does not answer');
  }

  async #answers(): Promise<void> {
    const sinceMs = performance.now();
    while (performance.now() - sinceMs < PEBBLE_START_LIMIT_MS) {
      const request = https.get(this.directoryUrl, { ca: this.ca, agent: false });
      const outcome = await Promise.race([
        once(request, 'response').then(() => 'answered'),
        once(request, 'error').then(() => 'away'),
      ]).catch(() => 'away');
      request.destroy();
      if (outcome === 'answered') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('pebble does not answer');
  }
}

async function freePort(): Promise<number> {
  const bound = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  const { port } = bound.address();
  bound.close();
  return port;
}

const nobody: SiteProgram = { ready: false, switching: false, socketPath: '', handOver: () => false } as unknown as SiteProgram;

describe('ACME with pebble', () => {
  let bench: CertificateBench;
  let pebble: Pebble;
  let front: Front;
  let plain: PlainDoor;
  const sockets = [
    new net.BoundSocket({ host: '127.0.0.1', port: 0 }),
    new net.BoundSocket({ host: '127.0.0.1', port: 0 }),
  ] as const;

  before(async () => {
    bench = await new CertificateBench().open();
    front = new Front({
      main: nobody,
      relay: nobody,
      appliance: (_request, response) => response.end('here'),
      certificateFor: (asked) => bench.served.choose(asked).web,
      challengeFor: (name) => bench.certificates.acme.challengeFor(name),
      log: createLog('test', 'silent'),
    });
    plain = new PlainDoor({
      publicAddress: 'https://box.example',
      keyAuthorization: (token) => bench.certificates.acme.keyAuthorization(token),
    });
    await Promise.all([front.listen(sockets[0].fd()), plain.listen(sockets[1].fd())]);
    pebble = await Pebble.start({ tls: sockets[0].address().port, http: sockets[1].address().port }, { binding: true });
  });
  after(async () => {
    await pebble?.stop();
    front.close();
    plain.close();
    for (const socket of sockets) socket.close();
    await bench[Symbol.asyncDispose]();
  });

  const settings = (change: Partial<AcmeChange> = {}): AcmeChange => ({
    isOn: true,
    directoryUrl: pebble.directoryUrl,
    directoryCaPem: pebble.ca,
    contact: 'ada@box.example',
    termsAgreed: true,
    eabKeyId: 'kid-1',
    eabSecret: SECRET,
    names: NAMES,
    challenge: 'tls-alpn-01',
    key: 'ec-p256',
    keepKey: true,
    ...change,
  });

  it('gets a certificate by each challenge, keeps its key and its use, and asks again at a third of its life', async () => {
    bench.certificates.changeAcme(ADA, settings());
    await bench.certificates.acme.idle();
    const first = bench.certificates.state();
    assert.equal(first.acme.lastFailure?.text, undefined);
    const id = first.acme.certificate ?? '';
    const got = first.certificates.find((one) => one.id === id);
    assert.deepEqual([got?.source, got?.state, got?.facts?.names.toSorted(), got?.inUse], ['acme', 'ready', NAMES, false]);
    const { notBeforeMs = 0, notAfterMs = 0 } = got?.facts ?? {};
    const leftPart = (notAfterMs - (first.acme.nextAtMs ?? 0)) / (notAfterMs - notBeforeMs);
    assert.ok(leftPart > 0.26 && leftPart < 0.41, String(leftPart));
    bench.certificates.changeUse(ADA, { default: id, byName: [], addresses: [] });
    bench.certificates.changeAcme(ADA, settings({ challenge: 'http-01', eabSecret: undefined }));
    await bench.certificates.acme.idle();
    const second = bench.certificates.state();
    assert.equal(second.acme.lastFailure?.text, undefined);
    const now = bench.served.forHost('box.example');
    assert.equal(now.id, id, 'its use stays');
    const facts = second.certificates.find((one) => one.id === id)?.facts;
    assert.notEqual(facts?.sha256, got?.facts?.sha256);
    assert.equal(facts?.key.sha256, got?.facts?.key.sha256, 'the key is kept');
    assert.equal(bench.told.length, 1, 'only when it was chosen');
    assert.equal(new X509Certificate(now.web.cert).subjectAltName?.includes('box.example'), true);
    bench.certificates.changeAcme(ADA, settings({ keepKey: false, key: 'rsa-2048' }));
    await bench.certificates.acme.idle();
    const third = bench.certificates.list().find((one) => one.id === id)?.facts?.key;
    assert.deepEqual([third?.kind, third?.bits], ['rsa', 2048]);
  });

  it('says what the authority said, tries again with growing waits, and tells people in time', async () => {
    bench.certificates.changeAcme(ADA, settings({ names: ['refused.example'] }));
    await bench.certificates.acme.idle();
    const waits: number[] = [];
    for (let failures = 1; failures <= 3; failures += 1) {
      const { lastFailure, nextAtMs } = bench.certificates.acme.state();
      assert.equal(lastFailure?.failures, failures);
      assert.match(lastFailure?.text ?? '', /The authority says \(4\d\d\)/);
      waits.push((nextAtMs ?? 0) - bench.nowMs);
      if (failures === 3) break;
      bench.certificates.acme.orderNow(ADA);
      await bench.certificates.acme.idle();
    }
    assert.ok(waits[0]! >= 12 * 60_000 && waits[1]! > waits[0]! && waits[2]! > waits[1]!, String(waits));
    assert.match(JSON.stringify(bench.mails), /ACME, 3 times in a row/);
    assert.ok(bench.certificates.list().some(({ warnings }) => warnings.some(({ code }) => code === 'acme-failing')));
  });

  it('does not trust a directory whose authority it was not given', async () => {
    bench.certificates.changeAcme(ADA, settings({ directoryCaPem: '' }));
    await bench.certificates.acme.idle();
    assert.match(bench.certificates.acme.state().lastFailure?.text ?? '', /cannot be asked/);
  });
});
