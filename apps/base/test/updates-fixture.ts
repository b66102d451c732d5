/** An update server, a repository and the software domain's own parts, for its tests: everything is real but the engine. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createLog } from '@bascule/log/log.ts';
import { readQuestion } from '@bascule/package-format/appliance-question.ts';
import { writeBundle, type BundleAbout, type BundleEntry } from '@bascule/package-format/bundle-file.ts';
import { readDownloadKey } from '@bascule/package-format/download-key.ts';
import { TestRepository } from '@bascule/package-format/testing.ts';
import type { ClockState } from '@bascule/protocol/api/updates.ts';
import { Store } from '@bascule/store/store.ts';
import type { SoftwareHere } from '../src/software/updates-offers.ts';
import { updatesMigrations } from '../src/software/updates-migrations.ts';
import type { OffersAnswer } from '../src/software/updates-question.ts';
import { Updates } from '../src/software/updates.ts';

const RUNTIME_ARCHIVE = 'runtime archive';
/** Runtimes are named by their hash. */
export const RUNTIME = createHash('sha256').update(RUNTIME_ARCHIVE).digest('hex');
/** So long that it comes in several pieces. */
export const SITE_BYTES = Buffer.alloc(300_000, 'site package ');

/** The update server of a test: files as a plain mirror, and an answer to questions when there is one. */
export class FixtureServer {
  readonly server = createServer((request, response) => void this.#answer(request, response));
  /** What questions are answered with; undefined as a plain mirror does (404). */
  answer: OffersAnswer | { status: number; message: string } | undefined;
  readonly questions: unknown[] = [];
  readonly requests: string[] = [];
  readonly #directory: string;
  readonly #now: () => number;

  constructor(directory: string, now: () => number) {
    this.#directory = directory;
    this.#now = now;
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(request.url ?? '/');
    this.requests.push(path);
    if (request.method === 'POST') {
      const question = readQuestion(await text(request), this.#now());
      if (this.answer === undefined) response.writeHead(404).end();
      else if ('status' in this.answer)
        response.writeHead(this.answer.status).end(JSON.stringify({ error: { code: 'X', message: this.answer.message } }));
      else {
        this.questions.push(question.body);
        response.end(JSON.stringify(this.answer));
      }
      return;
    }
    const file = join(this.#directory, path);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const size = statSync(file).size;
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': size - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${size - 1}/${size}` }),
    });
    createReadStream(file, { start: from }).pipe(response);
  }
}

/** An appliance's updates beside a server with base 0.2.0, site 0.2.0 (needs base 0.2.0) and site 0.1.0. */
export class UpdatesFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-updates-'));
  readonly clock: { now(): number; state(): ClockState };
  nowMs = Date.now();
  systemMs: number | undefined;
  installed: SoftwareHere = {
    packages: [
      { kind: 'base', version: '0.1.0' },
      { kind: 'site', version: '0.1.0' },
    ],
    runtimes: [],
  };
  repository!: TestRepository;
  server!: FixtureServer;
  url = '';
  store!: Store;
  updates!: Updates;
  base = '';
  site = '';

  constructor() {
    this.clock = {
      now: () => this.nowMs,
      state: () => ({
        systemMs: this.systemMs ?? this.nowMs,
        effectiveMs: this.nowMs,
        highestSeenMs: this.nowMs,
        state: this.systemMs === undefined ? 'synchronised' : 'behind',
        server: null,
        offsetMs: null,
        delayMs: null,
        checkedAtMs: null,
      }),
    };
  }

  static async open(): Promise<UpdatesFixture> {
    const fixture = new UpdatesFixture();
    const { directory } = fixture;
    const work = join(directory, 'publisher');
    mkdirSync(work);
    fixture.repository = await TestRepository.create(work, fixture.nowMs);
    await fixture.publish();
    fixture.server = new FixtureServer(fixture.repository.directory, () => fixture.nowMs);
    fixture.url = await fixture.server.listen();
    await fixture.start();
    return fixture;
  }

  async publish(): Promise<void> {
    const { repository } = this;
    const releasedAtMs = this.nowMs - 1000;
    this.base = await repository.addPackage('base', '0.2.0', 'base package', { runtime: RUNTIME, releasedAtMs });
    this.site = await repository.addPackage('site', '0.2.0', SITE_BYTES, {
      requires: { base: '>=0.2.0' },
      runtime: RUNTIME,
      releasedAtMs,
      eula: 'Be kind.',
    });
    await repository.addPackage('site', '0.1.0', 'old site', { runtime: RUNTIME, releasedAtMs });
    await repository.add('runtime', `runtime/${RUNTIME}.tar.zst`, RUNTIME_ARCHIVE);
    await repository.publish();
  }

  /** Opens, or opens again, what the appliance keeps. */
  async start(): Promise<void> {
    const log = createLog('test', 'silent');
    this.store = Store.open({ path: join(this.directory, 'box.db'), migrations: updatesMigrations, appliance: 'test', log });
    this.updates = await Updates.open({
      store: this.store,
      directory: join(this.directory, 'updates'),
      applianceName: 'appliance.example.net',
      clock: this.clock,
      installed: () => this.installed,
      licensedUntilMs: () => null,
      log,
      random: () => 0.5,
    });
  }

  async stop(): Promise<void> {
    await this.updates.stop();
    this.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.server.server.listening) await this.server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What a test changes in a bundle. */
export interface BundleChanges {
  about?: Partial<BundleAbout>;
  /** Targets that are in it; all that are missing otherwise. */
  targets?: string[];
  /** Changes the whole file. */
  alter?(bytes: Buffer): Buffer;
}

/** Redeems `downloadKey` as the update server does, and writes the file that comes back; gives its path. */
export async function redeem(fixture: UpdatesFixture, downloadKey: string, changes: BundleChanges = {}): Promise<string> {
  const { author } = fixture.repository;
  const key = readDownloadKey(downloadKey, fixture.nowMs);
  const timestamp = await author.bundleTimestamp(fixture.repository.allKeys);
  const entries: BundleEntry[] = [{ name: 'metadata/timestamp.json', source: timestamp.bytes }];
  for (const name of author.metadataFiles(key.rootVersion)) {
    const bytes = name === 'timestamp.json' ? undefined : await author.metadataFile(name);
    if (bytes !== undefined) entries.push({ name: `metadata/${name}`, source: bytes });
  }
  const packages = (changes.targets ?? [`runtime/${RUNTIME}.tar.zst`, fixture.base, fixture.site]).map((target) => {
    const found = author.targetFile(target);
    if (found === undefined) throw new Error(`there is no ${target}`);
    const file = join(author.targetsDirectory, found.relativePath);
    entries.push({ name: `targets/${found.relativePath}`, source: { file, lengthBytes: found.lengthBytes } });
    return { target, sha256: found.sha256, lengthBytes: found.lengthBytes };
  });
  const about: BundleAbout = {
    format: 'bascule-bundle/1',
    applianceId: key.applianceId,
    applianceName: key.applianceName,
    keyNonce: key.nonce,
    createdAtMs: fixture.nowMs,
    validUntilMs: timestamp.validUntilMs,
    packages,
    ...changes.about,
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBundle(about, entries)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const path = join(fixture.directory, `${packages.length}-${key.nonce}.bascule-update`);
  writeFileSync(path, changes.alter?.(bytes) ?? bytes);
  return path;
}
