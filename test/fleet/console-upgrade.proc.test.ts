/** The installed console with its real launcher: upgraded at its next start, and back by itself when the new version is bad (B90-B92). */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { build } from 'esbuild';
import { createLog } from '../../packages/log/src/log.ts';
import { packArchive, unpackArchive } from '../../packages/package-format/src/archive.ts';
import { buildClientArchive } from '../../packages/package-format/src/client-build.ts';
import { writeClientParcel } from '../../packages/package-format/src/client-parcel.ts';
import { FolderMirror } from '../../packages/package-format/src/folder-mirror.ts';
import { renewMetadataCopy } from '../../packages/package-format/src/metadata-copy.ts';
import { TestRepository } from '../../packages/package-format/src/testing.ts';
import { UpdateClient } from '../../packages/package-format/src/update-client.ts';
import { CHECKOUT } from '../../packages/testkit/src/launch-appliance.ts';
import { CONSOLE_LAUNCHER } from '../../apps/site/src/installers/console-launcher.ts';

const OLD = '0.2.0';
const GOOD = '0.3.0';
const PLATFORM = 'linux-x64';
const LIMITS = { unpackedBytes: 64 * 1024 * 1024, fileCount: 50 };
/** Whom a console runs as that may not write its installation, when the tests run as root. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

interface Program {
  version: string;
  archive: string;
  sha256: string;
  parcel: { sha256: string; bytes: number };
  parcelFile: string;
}

let folder: string;
let repository: TestRepository;
let metadata: string;
let root: string;
let old: { archive: string; sha256: string };
let good: Program;
let server: Server;
let origin: string;
/** What the site offers now. */
let offered: Program | undefined;
let isSupported: boolean;
let parcelsSent: number;
/** What the console said last of a version that failed. */
let saidFailed: string | null;
let isParcelAltered: boolean;
let installations = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bascule-console-upgrade-'));
  chmodSync(folder, 0o755);
  repository = await TestRepository.create(folder);
  old = await buildConsole(OLD);
  const next = await buildConsole(GOOD);
  const silent = await archiveOf('0.4.0', 'process.exit(3);');
  const quick = await archiveOf('0.5.0', `${sayAbout('0.5.0')} else process.exit(70);`);
  for (const { version, archive } of [next, silent, quick])
    await repository.author.addTarget('client', { path: targetOf(version), file: archive });
  await repository.publish();
  metadata = join(folder, 'copy');
  const appliance = await UpdateClient.open({
    directory: join(folder, 'appliance'),
    now: Date.now,
    log: createLog('test', 'silent'),
  });
  const mirror = new FolderMirror(repository.directory);
  const found = await appliance.readRoot(mirror);
  root = found.bytes.toString('base64');
  await appliance.confirmTrust(found.bytes);
  await appliance.refresh(mirror);
  await renewMetadataCopy(metadata, (await appliance.trustedFiles()) ?? []);
  good = await parcelOf(next);
  bad.selfCheck = await parcelOf(silent);
  bad.commands = await parcelOf(quick);
  await startServer();
});
after(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  offered = good;
  isSupported = true;
  isParcelAltered = false;
  parcelsSent = 0;
});
const bad = {} as Record<'selfCheck' | 'commands', Program>;

const targetOf = (version: string) => `client/console-${version}.tar.zst`;
const aboutOf = (version: string) => ({
  format: 'bascule-client/1',
  program: 'console',
  version,
  revision: 'abc1234',
  platform: PLATFORM,
});
const sayAbout = (version: string) =>
  `if (process.argv[2] === '--self-check') process.stdout.write(${JSON.stringify(JSON.stringify(aboutOf(version)))});`;

async function buildConsole(version: string) {
  const archive = join(folder, `console-${version}.tar.zst`);
  const what = { source: CHECKOUT, program: 'console', platform: PLATFORM, version, revision: 'abc1234', build } as const;
  const { sha256 } = await buildClientArchive(what, archive);
  return { version, archive, sha256 };
}

/** A signed program whose main.mjs is `code`. */
async function archiveOf(version: string, code: string) {
  const archive = join(folder, `console-${version}.tar.zst`);
  const files = [
    { path: 'bascule-client.json', source: Buffer.from(JSON.stringify(aboutOf(version))), executable: false },
    { path: 'main.mjs', source: Buffer.from(code), executable: false },
  ];
  const { sha256 } = await packArchive(files, archive);
  return { version, archive, sha256 };
}

async function parcelOf(program: { version: string; archive: string; sha256: string }): Promise<Program> {
  const parcelFile = `${program.archive}.parcel`;
  const parcel = await writeClientParcel(
    { metadataDir: metadata, target: targetOf(program.version), file: program.archive },
    parcelFile,
  );
  return { ...program, parcel, parcelFile };
}

/** As far as a console asks it: what the site of docs/operator/console.md answers. */
async function startServer(): Promise<void> {
  const { certificate, key } = await selfSigned();
  server = createServer({ cert: certificate, key }, (request, response) => {
    const url = new URL(request.url ?? '', 'https://localhost');
    const answer = (content: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(content));
    if (url.pathname === '/api/console/about') saidFailed = url.searchParams.get('failed');
    if (url.pathname === '/api/console/about') return void answer(aboutAnswer(url.searchParams.get('version') ?? ''));
    if (url.pathname === '/api/jump/items/search') return void answer({ revision: 1, total: 0, items: [], groups: [], tags: [] });
    parcelsSent += 1;
    const bytes = readFileSync(offered!.parcelFile);
    if (isParcelAltered) bytes[bytes.length - 2000]! ^= 1;
    response.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  pin = createHash('sha256')
    .update(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
let pin: string;

function aboutAnswer(version: string) {
  const next = offered !== undefined && version !== offered.version ? offered : undefined;
  const bundle = next && { target: targetOf(next.version), sha256: next.sha256, parcel: next.parcel };
  return {
    site: 'test',
    version: GOOD,
    revision: 'abc1234',
    supported: isSupported,
    bundleVersion: next?.version ?? null,
    bundle: bundle ?? null,
    runtime: null,
    root,
    tls: 'refuse',
  };
}

async function selfSigned(): Promise<{ certificate: string; key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=test', keys, signingAlgorithm: algorithm });
  const exported = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { certificate: made.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${exported}\n-----END PRIVATE KEY-----\n` };
}

/** An installation of the old version, as installers make it, and a user who is logged in. */
class Installed {
  readonly place: string;
  readonly userHome: string;
  readonly oldFolder = `${OLD}-${old.sha256.slice(0, 12)}`;
  readonly #user: number | undefined;

  private constructor(isReadOnly: boolean) {
    const directory = join(folder, `installation-${++installations}`);
    this.place = join(directory, 'bascule-console');
    this.userHome = join(directory, 'home');
    this.#user = isReadOnly && isRoot ? NOBODY : undefined;
  }

  static async make({ isReadOnly = false } = {}): Promise<Installed> {
    const made = new Installed(isReadOnly);
    const bundle = made.below('bundles', made.oldFolder);
    mkdirSync(dirname(bundle), { recursive: true });
    await unpackArchive(old.archive, bundle, LIMITS);
    writeFileSync(join(bundle, 'runtime.txt'), 'test-runtime\n');
    writeFileSync(join(bundle, 'archive.txt'), `${old.sha256}\n`);
    mkdirSync(made.below('runtimes', 'test-runtime', 'bin'), { recursive: true });
    symlinkSync(process.execPath, made.below('runtimes', 'test-runtime', 'bin', 'node'));
    mkdirSync(made.below('lib'));
    writeFileSync(made.below('current'), `${made.oldFolder}\n`);
    writeFileSync(made.below('bascule-console'), CONSOLE_LAUNCHER, { mode: 0o755 });
    const settings = join(made.userHome, 'config');
    mkdirSync(settings, { recursive: true });
    writeFileSync(join(settings, 'settings.json'), JSON.stringify({ site: origin, sites: { [origin]: { keySha256: pin } } }));
    writeFileSync(join(settings, 'logins.json'), JSON.stringify({ [origin]: { user: 'ann', cookie: 'c=1', csrf: 'x' } }), {
      mode: 0o600,
    });
    if (isReadOnly) made.#makeReadOnly(settings);
    return made;
  }

  #makeReadOnly(settings: string): void {
    for (const path of [this.below('bundles'), this.place]) chmodSync(path, 0o555);
    if (this.#user === undefined) return;
    for (const path of [this.userHome, settings, join(settings, 'settings.json'), join(settings, 'logins.json')])
      chownSync(path, NOBODY, NOBODY);
  }

  below(...names: string[]): string {
    return join(this.place, ...names);
  }

  text(...names: string[]): string {
    return readFileSync(this.below(...names), 'utf8').trim();
  }

  async run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(this.below('bascule-console'), args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: this.userHome,
        XDG_DATA_HOME: join(this.userHome, 'data'),
        BASCULE_CONSOLE_HOME: join(this.userHome, 'config'),
      },
      ...(this.#user !== undefined && { uid: this.#user, gid: this.#user }),
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  }
}

const folderOf = ({ version, sha256 }: Program) => `${version}-${sha256.slice(0, 12)}`;

test('at its next start the console becomes the new version, carries out the command, and stays so', async () => {
  const installed = await Installed.make();
  const first = await installed.run('ls', '--json');
  assert.deepEqual([first.code, first.out.trim()], [0, '[]'], first.err);
  assert.match(first.err, /Upgrading this console to 0\.3\.0/);
  assert.equal(installed.text('current'), folderOf(good));
  assert.equal(installed.text('previous'), installed.oldFolder);
  assert.ok(!existsSync(installed.below('trial')), 'it has proved itself');
  const about = await installed.run('about', '--json');
  assert.equal((JSON.parse(about.out) as { console: { version: string } }).console.version, GOOD);
  assert.equal(parcelsSent, 1);
  assert.doesNotMatch((await installed.run('ls')).err, /Upgrading/);
});

test('an altered parcel is refused and said; the command is carried out all the same', async () => {
  isParcelAltered = true;
  const installed = await Installed.make();
  const ran = await installed.run('ls', '--json');
  assert.equal(ran.out.trim(), '[]');
  assert.match(ran.err, /was not upgraded to 0\.3\.0: what was downloaded is not what the site announced\./);
  assert.equal(installed.text('current'), installed.oldFolder);
  isParcelAltered = false;
  await installed.run('ls');
  assert.equal(installed.text('current'), folderOf(good), 'the next start tries again');
});

test('a version that does not start is never switched to, and not fetched again at every start', async () => {
  offered = bad.selfCheck;
  const installed = await Installed.make();
  const ran = await installed.run('ls', '--json');
  assert.equal(ran.out.trim(), '[]', ran.err);
  assert.match(ran.err, /0\.4\.0 cannot run here/);
  assert.equal(installed.text('current'), installed.oldFolder);
  assert.equal(saidFailed, null);
  await installed.run('ls');
  assert.equal(parcelsSent, 1);
  assert.equal(saidFailed, '0.4.0', 'the site gives it what comes after that one');
});

test('a version that starts and does no work is left again by itself, and not taken again', async () => {
  offered = bad.commands;
  const installed = await Installed.make();
  assert.equal((await installed.run('ls')).code, 70);
  assert.equal(installed.text('current'), folderOf(bad.commands));
  assert.equal((await installed.run('ls')).code, 70);
  const back = await installed.run('ls', '--json');
  assert.deepEqual([back.code, back.out.trim()], [0, '[]'], back.err);
  assert.match(back.err, /does not work here; back to 0\.2\.0/);
  assert.equal(installed.text('current'), installed.oldFolder);
  assert.equal(parcelsSent, 1);
});

test('beside an installation that only root may write, a user has upgrades of their own, until it is redeployed', async () => {
  const installed = await Installed.make({ isReadOnly: true });
  const ran = await installed.run('ls', '--json');
  assert.equal(ran.out.trim(), '[]', ran.err);
  assert.equal(installed.text('current'), installed.oldFolder);
  const version = async () =>
    (JSON.parse((await installed.run('about', '--json')).out) as { console: { version: string } }).console.version;
  assert.equal(await version(), GOOD);
  // The installer brings another version: what stood on the former one counts no more.
  const own = join(installed.userHome, 'data', 'bascule-console-upgrades', 'base');
  writeFileSync(own, 'another-installation\n');
  assert.equal(await version(), OLD);
});

test('a locked installation says that it must be redeployed, and works as long as the site talks to it', async () => {
  const installed = await Installed.make({ isReadOnly: true });
  chmodSync(installed.place, 0o755);
  writeFileSync(installed.below('locked'), '');
  chmodSync(installed.place, 0o555);
  const ran = await installed.run('ls', '--json');
  assert.equal(ran.out.trim(), '[]');
  assert.match(ran.err, /must be redeployed/);
  isSupported = false;
  const refused = await installed.run('ls');
  assert.equal(refused.code, 78);
  assert.match(refused.err, /too old for the site[\s\S]*must be redeployed/);
});
