/** The update server as a process of its own, asked over HTTP, by curl and by the appliance's own client. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { promisify } from 'node:util';
import { createLog } from '@bascule/log/log.ts';
import { SMTP_ACCOUNT, SMTP_PASSWORD, startSmtpServer } from '@bascule/mail/testing.ts';
import { BundleMirror } from '@bascule/package-format/bundle-file.ts';
import { DOWNLOAD_KEY_LIFE_MS } from '@bascule/package-format/download-key.ts';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { HttpMirror } from '@bascule/package-format/http-mirror.ts';
import type { Mirror } from '@bascule/package-format/mirror.ts';
import { TestRepository } from '@bascule/package-format/testing.ts';
import { TufAuthor } from '@bascule/package-format/tuf-author.ts';
import { UpdateClient } from '@bascule/package-format/update-client.ts';
import { SIGNED_LIMIT } from './http-server.ts';
import { DOWNLOADS_OF_ADDRESS_MAX } from './running-downloads.ts';
import { command, serve, testAppliance, type Running } from './testing.ts';

const run = promisify(execFile);
const log = createLog('test', 'silent');
const DAY_MS = 86_400_000;
const OLD_RUNTIME = 'the old runtime';
const NEW_RUNTIME = 'the new runtime'.repeat(1000);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const RUNTIME = sha256(OLD_RUNTIME);
const RUNTIME_2 = sha256(NEW_RUNTIME);

/** HTML without the white space between its tags. */
const onOneLine = (text: string): string => text.replace(/\s*\n\s*/g, '');

const appliance = (name: string) => testAppliance(name, { base: '0.1.0', site: '0.1.0', runtimes: [RUNTIME] });

describe('the update server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-update-server-'));
  const state = join(folder, 'state');
  const keys = join(folder, 'online');
  const known = appliance('Basteldorf');
  const later = appliance('Later');
  let repository: TestRepository;
  let server: Running;

  before(async () => {
    repository = await TestRepository.create(folder);
    mkdirSync(keys);
    for (const role of ['snapshot', 'timestamp'] as const)
      writeFileSync(join(keys, `${role}.pem`), repository.keys[role][0]?.export({ format: 'pem', type: 'pkcs8' }) ?? '', {
        mode: 0o600,
      });
    await repository.add('runtime', `runtime/${RUNTIME}.tar.zst`, OLD_RUNTIME);
    await repository.add('runtime', `runtime/${RUNTIME_2}.tar.zst`, NEW_RUNTIME);
    const releasedAtMs = Date.now() - DAY_MS;
    await repository.addPackage('base', '0.1.0', 'base one', { releasedAtMs: 1, runtime: RUNTIME });
    await repository.addPackage('site', '0.1.0', 'site one', { releasedAtMs: 1, runtime: RUNTIME });
    await repository.addPackage('base', '0.2.0', 'base two '.repeat(20_000), { releasedAtMs, runtime: RUNTIME_2 });
    await repository.addPackage('site', '0.2.0', 'site two '.repeat(30_000), {
      releasedAtMs,
      runtime: RUNTIME_2,
      requires: { base: '>=0.2.0' },
      notes: { en: 'Lists <b>load</b> faster.\n\n- one\n- two', de: 'Listen laden schneller.' },
    });
    await repository.publish();
    await command('appliance', 'add', '--state', state, '--name', known.name, '--key', known.publicKey, '--ring', 'first');
    await command('appliance', 'add', '--state', state, '--name', later.name, '--key', later.publicKey, '--ring', 'last');
    server = await serve('--repository', repository.directory, '--state', state, '--online-keys', keys);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A client that trusts the repository, updated from `mirror`. */
  async function clientFrom(mirror: Mirror): Promise<UpdateClient> {
    const client = await UpdateClient.open({ directory: mkdtempSync(join(folder, 'client-')), now: Date.now, log });
    await client.confirmTrust(readFileSync(join(repository.directory, 'metadata', '1.root.json')));
    await client.refresh(mirror);
    return client;
  }

  const post = (path: string, key: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}${path}`, { method: 'POST', body: key, headers: { 'content-type': 'text/plain', ...headers } });

  test('an appliance updates from it, from a copy in a folder and from a copy at a plain web address alike', async () => {
    const copy = join(folder, 'copy');
    cpSync(repository.directory, copy, { recursive: true });
    const second = await serve('--repository', copy, '--state', join(folder, 'second-state'));
    try {
      for (const mirror of [new HttpMirror({ url: server.url }), new FolderMirror(copy), new HttpMirror({ url: second.url })]) {
        const client = await clientFrom(mirror);
        assert.equal(client.releases().filter(({ manifest }) => manifest !== undefined).length, 4);
        const file = await client.obtain('site/bascule-site-0.2.0.tar.zst', mirror);
        assert.equal(readFileSync(file, 'utf8'), 'site two '.repeat(30_000));
      }
    } finally {
      await second.stop();
    }
  });

  test('files have ranges and tags, and no name leads out of the repository', async () => {
    const found = (await clientFrom(new FolderMirror(repository.directory))).find('base/bascule-base-0.2.0.tar.zst');
    assert.ok(found);
    const url = `${server.url}/targets/base/${found.sha256}.bascule-base-0.2.0.tar.zst`;
    const whole = await fetch(url);
    assert.equal(whole.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal((await whole.arrayBuffer()).byteLength, found.lengthBytes);
    const part = await fetch(url, { headers: { range: 'bytes=9-17' } });
    assert.deepEqual(
      [part.status, part.headers.get('content-range'), await part.text()],
      [206, `bytes 9-17/${found.lengthBytes}`, 'base two '],
    );
    const tail = await fetch(url, { headers: { range: 'bytes=-9' } });
    assert.equal(await tail.text(), 'base two ');
    const beyond = await fetch(url, { headers: { range: `bytes=${found.lengthBytes}-` } });
    assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, `bytes */${found.lengthBytes}`]);
    const kept = await fetch(url, { headers: { 'if-none-match': whole.headers.get('etag') ?? '' } });
    assert.equal(kept.status, 304);
    const head = await fetch(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(found.lengthBytes)]);
    assert.equal((await fetch(`${server.url}/metadata/timestamp.json`)).headers.get('cache-control'), 'no-cache');
    for (const path of [
      '/metadata/..%2f..%2fstate',
      '/metadata/%2e%2e/state',
      '/targets/..%2f..%2f..%2fetc/passwd',
      '/targets/base',
      '/metadata/',
    ]) {
      const { status } = await fetch(server.url + path);
      assert.equal(status, 404, path);
    }
  });

  test('a registered appliance is told what it may have and from when; each question counts once', async () => {
    const from = '2031-05-01T00:00:00Z';
    await command(
      'schedule',
      'add',
      '--state',
      state,
      '--package',
      'base',
      '--version',
      '0.2.0',
      '--ring',
      'first',
      '--from',
      '2026-01-01',
    );
    await command(
      'schedule',
      'add',
      '--state',
      state,
      '--package',
      'base',
      '--version',
      '0.2.0',
      '--ring',
      'last',
      '--from',
      from,
    );
    const question = known.question();
    const answer = (await (await known.send(server.url, question)).json()) as {
      serverMs: number;
      maintainedUntilMs: number | null;
      offers: { target: string; fromMs: number }[];
    };
    assert.ok(Math.abs(answer.serverMs - Date.now()) < 60_000);
    assert.equal(answer.maintainedUntilMs, null);
    assert.deepEqual(answer.offers.map(({ target }) => target).toSorted(), [
      'base/bascule-base-0.1.0.tar.zst',
      'base/bascule-base-0.2.0.tar.zst',
      'site/bascule-site-0.1.0.tar.zst',
      'site/bascule-site-0.2.0.tar.zst',
    ]);
    const other = (await (await later.ask(server.url)).json()) as typeof answer;
    assert.equal(other.offers.find(({ target }) => target.includes('base-0.2.0'))?.fromMs, Date.parse(from));
    const again = await known.send(server.url, question);
    assert.deepEqual(
      [again.status, ((await again.json()) as { error: { code: string } }).error.code],
      [409, 'QUESTION_REPEATED'],
    );
  });

  test('altered, late and unknown questions are refused, each with one sentence', async () => {
    const refused = async (response: Response): Promise<string> => {
      assert.ok(response.status >= 400 && ![404, 405, 501].includes(response.status), 'the status of a plain mirror');
      return ((await response.json()) as { error: { code: string } }).error.code;
    };
    const stranger = appliance('Stranger');
    assert.equal(await refused(await stranger.ask(server.url)), 'APPLIANCE_UNKNOWN');
    assert.equal(await refused(await known.ask(server.url, Date.now() - 3_600_000)), 'QUESTION_TIME');
    assert.equal(await refused(await known.send(server.url, known.question().replace('0.1.0', '0.1.1'))), 'QUESTION_SIGNATURE');
    assert.equal(await refused(await known.send(server.url, 'x'.repeat(1000))), 'QUESTION_MALFORMED');
    assert.equal(await refused(await known.send(server.url, 'x'.repeat(1_000_000))), 'BODY_TOO_LARGE');
  });

  test('curl redeems a key: one file with exactly what is missing, which the appliance takes as a mirror', async () => {
    const keyFile = join(folder, 'key.txt');
    let key = '';
    for (const [index, form] of [
      ['-F', `key=@${keyFile}`],
      ['--data-binary', `@${keyFile}`],
    ].entries()) {
      key = known.downloadKey();
      writeFileSync(keyFile, key);
      const file = join(folder, `${index}.bascule-update`);
      await run('curl', ['-sS', '--fail-with-body', ...form, `${server.url}/redeem`, '-o', file]);
      const bundle = await BundleMirror.open(file);
      try {
        const packages = [`runtime/${RUNTIME_2}.tar.zst`, 'base/bascule-base-0.2.0.tar.zst', 'site/bascule-site-0.2.0.tar.zst'];
        assert.deepEqual(
          bundle.about.packages.map(({ target }) => target),
          packages,
        );
        assert.equal(bundle.about.applianceName, 'Basteldorf');
        const client = await clientFrom(bundle);
        for (const target of packages) await client.obtain(target, bundle);
        assert.equal(readFileSync(client.pathOf('site/bascule-site-0.2.0.tar.zst') ?? '', 'utf8'), 'site two '.repeat(30_000));
      } finally {
        await bundle.close();
      }
    }
    const ledger = await command('ledger', '--state', state, '--appliance', known.name);
    assert.match(
      ledger,
      /Basteldorf {2}· {2}download key, from 127\.0\.0\.1 {2}· {2}site\/bascule-site-0\.2\.0\.tar\.zst {2}· {2}270000 bytes/,
    );
    const page = await (await post('/packages', known.downloadKey())).text();
    assert.match(page, /Downloaded before, on/);
    // 6.3: a key is good for one file.
    for (const path of ['/redeem', '/packages']) {
      const again = await post(path, key);
      assert.equal(again.status, 409);
      assert.match(await again.text(), /was redeemed already/);
    }
  });

  test('whoever asks for files and goes away takes no place from others', async () => {
    const key = known.downloadKey();
    const { hostname, port } = new URL(server.url);
    const from = { host: hostname, port: Number(port), localAddress: '127.0.0.2' };
    const found = (await clientFrom(new FolderMirror(repository.directory))).find('base/bascule-base-0.2.0.tar.zst');
    const target = `/targets/base/${found?.sha256}.bascule-base-0.2.0.tar.zst`;
    for (let round = 0; round <= DOWNLOADS_OF_ADDRESS_MAX; round++) {
      for (const head of [
        `POST /redeem HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: ${key.length}\r\n\r\n${key}`,
        `GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`,
      ]) {
        const socket = connect(from);
        await once(socket, 'connect');
        await new Promise<void>((written) => socket.write(head, () => written()));
        socket.destroy();
      }
    }
    const whole = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ ...from, path: target }, resolve).on('error', reject);
    });
    assert.equal(whole.statusCode, 200);
    assert.equal(
      (await whole.toArray()).reduce((sum: number, piece: Buffer) => sum + piece.length, 0),
      found?.lengthBytes,
    );
  });

  test('a key that is expired, altered, unknown or of no use is refused with one sentence', async () => {
    const plain = async (key: string): Promise<[number, string]> => {
      const response = await post('/redeem', key);
      return [response.status, await response.text()];
    };
    assert.deepEqual(
      (await plain(known.downloadKey(Date.now() - DOWNLOAD_KEY_LIFE_MS)))[1],
      'This download key has expired: it is good for 24 minutes. Make a new one on the appliance; if that one is refused too, check the time of the appliance.\n',
    );
    const key = known.downloadKey();
    const middle = Math.trunc(key.length / 2);
    const altered = key.slice(0, middle) + (key[middle] === 'A' ? 'B' : 'A') + key.slice(middle + 1);
    assert.match((await plain(altered))[1], /^This (download key was altered|is no download key)[^\n]*\n$/);
    assert.match(
      (await plain(appliance('Stranger').downloadKey()))[1],
      /^This update server does not know the appliance[^\n]*\n$/,
    );
    assert.match(
      (await plain(known.downloadKey(Date.now(), { base: '0.2.0', site: '0.2.0' })))[1],
      /^Nothing is to be installed: [^\n]*\n$/,
    );
    assert.match((await plain(later.downloadKey()))[1], /^Nothing is to be installed yet: [^\n]*\n$/);
    assert.match((await plain('hello'))[1], /^This is no download key\.[^\n]*\n$/);
    const page = await post('/packages', 'hello', { accept: 'text/html', 'accept-language': 'de' });
    assert.equal(page.status, 400);
    assert.match(onOneLine(await page.text()), /role="alert"><strong>Das geht nicht:<\/strong> Das ist kein Download-Schlüssel/);
  });

  test('pages come in the visitor’s language, with a policy that allows no script, and escape what they show', async () => {
    for (const [header, language] of [
      ['nl-BE,nl;q=0.9,en;q=0.5', 'nl'],
      ['fr,it;q=0.4', 'it'],
      ['fr', 'en'],
      ['en;q=0.1, de', 'de'],
    ] as const) {
      const response = await fetch(server.url, { headers: { 'accept-language': header } });
      assert.match(await response.text(), new RegExp(`<html lang="${language}">`));
      assert.equal(response.headers.get('content-language'), language);
      assert.match(response.headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'self';/);
    }
    const changes = onOneLine(await (await fetch(`${server.url}/changes`)).text());
    assert.match(changes, /<h2>Site 0\.2\.0<\/h2>/);
    assert.match(changes, /Lists &lt;b&gt;load&lt;\/b&gt; faster\./);
    assert.match(changes, /<ul><li>one<\/li><li>two<\/li><\/ul>/);
  });

  /** Publishes while the server, which renews its own roles, may do so too: opened again and repeated, as the refusal asks. */
  async function publishBeside(add: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      repository.author = await TufAuthor.open({ directory: repository.directory, now: Date.now });
      try {
        await add();
        return void (await repository.publish());
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'TUF_CHANGED_MEANWHILE' || tries === 5) throw error;
      }
    }
  }

  test('a release that arrives is offered without a restart, and told by mail once', async () => {
    const smtp = await startSmtpServer();
    try {
      const password = join(folder, 'password');
      writeFileSync(password, `${SMTP_PASSWORD}\n`);
      await command('appliance', 'change', known.name, '--state', state, '--contact', 'ada@example.org', '--language', 'it');
      const to = [
        '--host',
        '127.0.0.1',
        '--port',
        String(smtp.starttlsPort),
        '--account',
        SMTP_ACCOUNT,
        '--password-file',
        password,
      ];
      await command(
        'mail',
        'set',
        '--state',
        state,
        ...to,
        '--pin',
        smtp.certificateSha256,
        '--from',
        'updates@example.org',
        '--to',
        'bob@example.org',
      );
      await publishBeside(() =>
        repository.addPackage('site', '0.3.0', 'site three', {
          releasedAtMs: Date.now(),
          runtime: RUNTIME_2,
          requires: { base: '>=0.2.0' },
        }),
      );
      // What was there before is told in a mail of its own when the schedule is looked at just now.
      const telling = async (what: RegExp): Promise<string[]> => {
        for (let count = 1; ; count++) {
          const mails = await smtp.received(count);
          if (mails.some((mail) => what.test(mail))) return mails;
        }
      };
      const first = (await telling(/sito 0\.3\.0/)).find((mail) => mail.includes('sito 0.3.0')) ?? '';
      assert.match(first, /^To: ada@example\.org\r?$/m);
      await command('mail', 'test', '--state', state);
      await telling(/^To: bob@example\.org\r?$/m);
      await publishBeside(() =>
        repository.addPackage('base', '0.3.0', 'base three', { releasedAtMs: Date.now(), runtime: RUNTIME_2 }),
      );
      const mails = await telling(/base 0\.3\.0/);
      const times = (release: string): number => mails.filter((mail) => mail.includes(`- ${release}`)).length;
      assert.deepEqual([times('sito 0.3.0'), times('base 0.3.0')], [1, 1], 'each is told once');
      assert.ok(times('sito 0.2.0') <= 1 && times('base 0.2.0') <= 1);
    } finally {
      await smtp.stop();
    }
  });

  test('the ledger names who asked from the address of an online download, when that is one appliance', async () => {
    const [found] = (await clientFrom(new FolderMirror(repository.directory))).releases().filter(({ role }) => role === 'site');
    const url = `${server.url}/targets/site/${found?.sha256}.bascule-site-${found?.manifest?.version}.tar.zst`;
    await (await fetch(url)).arrayBuffer();
    const online = / {2}· {2}(\S+) {2}· {2}online, from 127\.0\.0\.1 {2}· {2}site\//;
    assert.equal(online.exec(await command('ledger', '--state', state))?.[1], 'unknown', 'both appliances are at this address');
    await command('appliance', 'remove', later.name, '--state', state);
    await (await fetch(url)).arrayBuffer();
    assert.equal(online.exec(await command('ledger', '--state', state, '--appliance', known.name))?.[1], known.name);
  });

  test('with the switch, what was downloaded is not offered again until somebody forgets the download; open registration takes in who asks', async () => {
    await server.stop();
    server = await serve(
      '--repository',
      repository.directory,
      '--state',
      state,
      '--online-keys',
      keys,
      '--offer-once',
      '--registration',
      'open',
    );
    const key = known.downloadKey(Date.now(), { base: '0.2.0' });
    const first = await post('/redeem', key);
    assert.equal(first.status, 200, first.ok ? '' : await first.text());
    await first.arrayBuffer();
    const offered = async (): Promise<string[]> =>
      ((await (await known.ask(server.url)).json()) as { offers: { target: string }[] }).offers.map(({ target }) => target);
    assert.ok(!(await offered()).includes('base/bascule-base-0.2.0.tar.zst'));
    await command('ledger', 'forget', '--state', state, '--appliance', known.name, '--target', 'base/bascule-base-0.2.0.tar.zst');
    assert.ok((await offered()).includes('base/bascule-base-0.2.0.tar.zst'));
    assert.equal((await appliance('Newcomer').ask(server.url)).status, 200);
    assert.match(await command('appliance', 'list', '--state', state), /^Newcomer/m);
  });

  test('too many requests of one address are told to wait, and a wrong command line says how it goes', async () => {
    const answers = await Promise.all(Array.from({ length: SIGNED_LIMIT.burst + 10 }, () => post('/redeem', 'x')));
    const limited = answers.filter(({ status }) => status === 429);
    assert.ok(limited.length > 0 && limited.every(({ headers }) => Number(headers.get('retry-after')) > 0));
    const fails = async (code: number, message: RegExp, ...args: string[]): Promise<void> => {
      await assert.rejects(
        command(...args),
        (error: { code: number; stderr: string }) => error.code === code && message.test(error.stderr),
      );
    };
    await fails(64, /--port is missing/, 'serve', '--repository', folder, '--state', state);
    await fails(
      64,
      /Give one of --appliance/,
      'schedule',
      'add',
      '--state',
      state,
      '--package',
      'site',
      '--version',
      '1.0.0',
      '--from',
      '2026-01-01',
    );
    await fails(
      1,
      /There is no repository in/,
      'serve',
      '--repository',
      join(folder, 'none'),
      '--state',
      join(folder, 'third'),
      '--port',
      '0',
    );
  });
});
