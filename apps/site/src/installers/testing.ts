import { createHash, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { createHttpServer } from '@bascule/http/http-server.ts';
import { PUBLIC_STREAMS, StreamLimit } from '@bascule/http/stream-limit.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ClientMode, ClientPlatform, ClientProgram } from '@bascule/protocol/client-program.ts';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { ClientPrograms } from '../fleet/client-programs.ts';
import { TestSite } from '../jump/testing.ts';
import { installerRoutes, Installers, installersMigrations, type BuildMsi, type InstallerPrograms } from './installers.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../../..');
const VERSION = (JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string }).version;

/** The real programs of this checkout, under whatever version a test wants the site to have. */
export class VersionedPrograms implements InstallerPrograms {
  current = { version: VERSION, revision: 'checkout' };
  nextVersion: string | undefined;
  earlier: string[] = [];
  root: Buffer | undefined;
  readonly #real: ClientPrograms;
  #listeners: (() => void)[] = [];

  constructor(real: ClientPrograms) {
    this.#real = real;
  }

  versions(program: ClientProgram, platform: ClientPlatform): string[] {
    return this.#real.versions(program, platform).length === 0 ? [] : [...this.earlier, this.current.version];
  }

  next(): string | undefined {
    return this.nextVersion;
  }

  async archive(program: ClientProgram, platform: ClientPlatform, version: string) {
    const archive = await this.#real.archive(program, platform, VERSION);
    return archive && { ...archive, about: { ...archive.about, version } };
  }

  supervisor(): Promise<string | undefined> {
    return this.#real.supervisor(VERSION);
  }

  runtime(platform: ClientPlatform) {
    return this.#real.runtime(platform);
  }

  async trustedRoot(): Promise<Buffer | undefined> {
    return this.root;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** The site is another version from now on. */
  upgradeTo(version: string): void {
    this.earlier = [...this.earlier, this.current.version];
    this.current = { ...this.current, version };
    this.nextVersion = undefined;
    for (const listener of this.#listeners) listener();
  }
}

/** A site with installers behind TLS on a free port: web by HTTP, links by their ALPN, as base does it. */
export class InstallerScene {
  site: TestSite;
  readonly installers: Installers;
  readonly programs: VersionedPrograms;
  readonly siteUrl: string;
  readonly webKeyPin: string;
  /** Of the site identity; a test changes it as a rotation would. */
  identityInForce: string;
  defaultMode: ClientMode = 'active';
  /** Answers a public file with something else. */
  altered: { name: string; bytes: Buffer } | undefined;
  readonly #closers: (() => unknown)[];

  private constructor(
    parts: Pick<InstallerScene, 'site' | 'installers' | 'programs' | 'siteUrl' | 'webKeyPin'>,
    closers: (() => unknown)[],
  ) {
    this.site = parts.site;
    this.installers = parts.installers;
    this.programs = parts.programs;
    this.siteUrl = parts.siteUrl;
    this.webKeyPin = parts.webKeyPin;
    this.identityInForce = parts.site.identity.fingerprintSha256;
    this.#closers = closers;
  }

  /** `filesDir`: where the runtime is stored; kept when given, so that it need not be made again. */
  static async open(options: { now?: () => number; filesDir?: string; buildMsi?: BuildMsi } = {}): Promise<InstallerScene> {
    const log = createLog('test', 'warn');
    const site = await TestSite.open({
      ...(options.now && { now: options.now }),
      migrations: installersMigrations,
      version: VERSION,
    });
    const web = await site.identity.issueLinkTls();
    const webKeyPin = createHash('sha256')
      .update(createPublicKey(web.key).export({ type: 'spki', format: 'der' }))
      .digest('base64');
    const work = mkdtempSync(join(tmpdir(), 'bascule-installers-'));
    const filesDir = options.filesDir ?? join(work, 'files');
    // The runtime of a checkout is the Node that runs the tests: `node_modules/.bin/node` leads to it.
    const runtimeDir = resolve(process.execPath, '..', '..');
    const real = await ClientPrograms.open({ filesDir, softwareDir: CHECKOUT, version: VERSION, runtimeDir, log });
    const programs = new VersionedPrograms(real);
    let siteUrl = '';
    const installers = new Installers({
      store: site.store,
      jump: site.jump,
      programs,
      keyWrap: openKeyWrap(join(work, 'site.key')),
      filesDir,
      siteUrl: () => siteUrl,
      webKeyPin: () => webKeyPin,
      defaultMode: () => scene.defaultMode,
      isPinned: (sha256) => sha256 === scene.identityInForce,
      ...(options.buildMsi && { buildMsi: options.buildMsi }),
      log,
      ...(options.now && { now: options.now }),
    });
    const http = await createHttpServer({
      prefix: '/api',
      cookieName: '__Host-test',
      accounts: { actorKind: 'user', authenticate: () => undefined, noteAccessRefused: () => undefined },
      authorize: () => undefined,
      routes: installerRoutes({ installers, jump: site.jump, publicStreams: new StreamLimit(PUBLIC_STREAMS) }),
      log,
      hosts: () => ['localhost'],
      staticRoot: work,
      pages: {},
    });
    const secure = createHttpsServer({ key: web.key, cert: web.certificate }, (request, response) => {
      const { altered } = scene;
      if (altered !== undefined && request.url === `/install/${altered.name}`) response.end(altered.bytes);
      else http.handle(request, response);
    });
    // As base does it: by the ALPN in the ClientHello.
    const front = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('readable', () => {
        const head = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
        if (head.includes(LINK_ALPN)) return scene.site.jump.acceptLink(socket, head);
        socket.unshift(head);
        secure.emit('connection', socket);
      });
    });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    siteUrl = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
    const scene: InstallerScene = new InstallerScene({ site, installers, programs, siteUrl, webKeyPin }, [
      () => front.close(),
      () => http.close(),
      () => scene.site.close(),
      () => rmSync(work, { recursive: true, force: true }),
    ]);
    return scene;
  }

  /** The same site in another version: what its links say of themselves. Its installers are as they were. */
  async restartLinksAs(version: string): Promise<void> {
    const { directory } = this.site;
    await this.site.close({ keep: true });
    this.site = await TestSite.open({ directory, migrations: installersMigrations, version });
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
  }
}
