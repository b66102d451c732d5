/** For tests: an appliance's end of the pair link, with real keys, store and TLS on a free port of the loopback. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createLog } from '@bascule/log/log.ts';
import type { SiteKeys } from '@bascule/protocol/pair-establish.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { Store, type Context, type Migration, type Tx } from '@bascule/store/store.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { SiteIdentity } from '../jump/jump.ts';
import { Establishing, establishMigrations, type Established, type EstablishStep } from './establish.ts';
import { PairDial } from './pair-dial.ts';
import { ESTABLISH_PREFIX, PairDoor, type PairDoorOptions, type PairRefusal } from './pair-door.ts';
import { PairKey } from './pair-key.ts';
import { PreSharedKey } from './pre-shared-key.ts';
import { writeSiteKeys } from './sealed-keys.ts';

export const ADMINISTRATOR: Context = { actor: { kind: 'user', id: null, name: 'ada' }, address: '192.0.2.1' };
export const PRE_SHARED = 'correct horse battery staple';
const WEB_CERTIFICATE = { certificatePem: 'certificate of the shared name', keyPem: 'its key' };

/** What the hooks note, so that it is there after a restart, as in the product. */
const testMigration: Migration = {
  version: 107,
  name: 'test peer',
  up: `CREATE TABLE test_peer (id TEXT PRIMARY KEY NOT NULL, peer TEXT NOT NULL) STRICT;`,
};

export interface TestSideOptions {
  directory?: string;
  /** The same again, after a restart. */
  port?: number;
  name?: string;
  preSharedKey?: string;
  sharedName?: string;
  certificateNames?: string[];
  doorLimits?: PairDoorOptions['limits'];
  onStep?: (step: EstablishStep) => void | Promise<void>;
  now?: () => number;
  version?: string;
  freeBytes?: number | null;
  relationship?: { keySha256: string; appliance: string };
}

const templates = new Map<string, Promise<string>>();
process.once('exit', () => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
const made: string[] = [];

/** A folder in which `text` is set as the pre-shared key: its slow hash is made once in a test file. */
function keyedTemplate(text: string): Promise<string> {
  const known = templates.get(text) ?? makeKeyed(text);
  templates.set(text, known);
  return known;
}

async function makeKeyed(text: string): Promise<string> {
  const side = await TestSide.open();
  made.push(side.directory);
  await side.preSharedKey.set(ADMINISTRATOR, text);
  await side.stop();
  return side.directory;
}

function copyKeyed(template: string, directory: string): void {
  mkdirSync(join(directory, 'keys'), { recursive: true });
  for (const file of ['pair.db', join('keys', 'pair-wrap.key')]) cpSync(join(template, file), join(directory, file));
}

/** One appliance, as far as the pair link knows it. */
export class TestSide {
  readonly directory: string;
  readonly options: TestSideOptions;
  readonly store: Store;
  readonly key: PairKey;
  readonly preSharedKey: PreSharedKey;
  readonly establishing: Establishing;
  readonly door: PairDoor;
  readonly dial: PairDial;
  readonly refusals: PairRefusal[] = [];
  readonly follows: LinkSocket[] = [];
  /** What the hooks were called with. */
  committed: Established | undefined;
  adopted: { keys: SiteKeys; established: Established; times: number } | undefined;
  certificateTaken: NonNullable<SiteKeys['webCertificate']> | undefined;
  /** Pinned; set by the hooks, or by a test. */
  peer: { keySha256: string; host: string; port: number } | undefined;
  onPeerRequest = (request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ path: request.url }));
  };
  onFollow = (socket: LinkSocket): void => void this.follows.push(socket);
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(directory: string, options: TestSideOptions, store: Store, key: PairKey, server: Server) {
    const log = createLog('test', 'silent');
    const keysDir = join(directory, 'keys');
    this.directory = directory;
    this.options = options;
    this.store = store;
    this.key = key;
    this.#server = server;
    const noted = store.get<{ peer: string }>('SELECT peer FROM test_peer');
    if (noted !== undefined) this.peer = JSON.parse(noted.peer) as TestSide['peer'];
    this.preSharedKey = new PreSharedKey({ store, keysDir, ...(options.now && { now: options.now }) });
    const pinned = () => this.peer?.keySha256;
    this.dial = new PairDial({ key, pinned, endpoint: () => this.peer, log, silenceMs: options.doorLimits?.silenceMs ?? 6000 });
    this.establishing = new Establishing({
      key,
      store,
      keysDir,
      preSharedKey: this.preSharedKey,
      facts: () => Promise.resolve(this.#facts()),
      certificate: {
        names: () => Promise.resolve(options.certificateNames ?? ['site.example']),
        give: () => Promise.resolve(WEB_CERTIFICATE),
        take: (certificate) => Promise.resolve(void (this.certificateTaken = certificate)),
      },
      bytesPerSecond: () => 0,
      statement: () => ({ statement: 'epoch 1', signature: 'of the site' }),
      commit: (established, context, note) => {
        store.transact(context, { code: 'TEST_COMMITTED', summary: 'committed', details: {} }, (tx) => {
          this.#notePeer(tx, established);
          note(tx);
        });
        this.committed = established;
        return Promise.resolve();
      },
      adopt: (keys, established, note) => {
        writeSiteKeys(keysDir, keys);
        store.transact(ADMINISTRATOR, { code: 'TEST_ADOPTED', summary: 'adopted', details: {} }, (tx) => {
          this.#notePeer(tx, established);
          note(tx);
        });
        this.adopted = { keys, established, times: (this.adopted?.times ?? 0) + 1 };
        return Promise.resolve();
      },
      log,
      now: options.now,
      onStep: options.onStep,
    });
    this.door = new PairDoor({
      key,
      pinned,
      onRequest: (request, response, who) => {
        if (request.url?.startsWith(ESTABLISH_PREFIX) === true) this.establishing.answer(request, response);
        else if (who === 'peer') this.onPeerRequest(request, response);
        else throw new Error('a stranger got in');
      },
      onFollow: (socket) => this.onFollow(socket),
      onRefused: (why) => this.refusals.push(why),
      log,
      now: options.now,
      limits: options.doorLimits,
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.door.take(socket, new Uint8Array());
    });
  }

  static async open(options: TestSideOptions = {}): Promise<TestSide> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'bascule-pair-'));
    if (options.directory === undefined && options.preSharedKey !== undefined)
      copyKeyed(await keyedTemplate(options.preSharedKey), directory);
    const keysDir = join(directory, 'keys');
    const key = await PairKey.open(keysDir);
    await SiteIdentity.open({ keysDir });
    openKeyWrap(join(keysDir, 'site.key'));
    const store = Store.open({
      path: join(directory, 'pair.db'),
      migrations: [...establishMigrations, testMigration],
      appliance: options.name ?? 'test',
      log: createLog('test', 'silent'),
      now: options.now,
    });
    const server = createServer({ pauseOnConnect: true }).listen(options.port ?? 0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    return new TestSide(directory, options, store, key, server);
  }

  get keysDir(): string {
    return join(this.directory, 'keys');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  pin(other: TestSide): void {
    this.peer = { keySha256: other.key.sha256, ...other.endpoint };
  }

  audit(): string[] {
    return readAudit(this.store, { limit: 100 }).map(({ code }) => code);
  }

  /** Ends it as a crash would, as far as one process can: nothing is finished. The directory stays. */
  async stop(): Promise<void> {
    this.establishing.close();
    this.dial.close();
    await this.door.close();
    await new Promise((resolve) => this.#server.close(resolve));
    this.store.close();
  }

  /** As `stop`, and every connection is cut at once. */
  async crash(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #notePeer(tx: Tx, { peer }: Established): void {
    const noted = { keySha256: peer.keySha256, ...peer.endpoint };
    tx.run(
      'INSERT INTO test_peer (id, peer) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET peer = excluded.peer',
      'peer',
      JSON.stringify(noted),
    );
    tx.afterCommit(() => (this.peer = noted));
  }

  #facts() {
    const { name = 'test', sharedName = 'site.example', version = '0.3.0', freeBytes = 2 ** 40 } = this.options;
    const paired = this.peer === undefined ? null : { keySha256: this.peer.keySha256, appliance: 'peer' };
    return {
      appliance: name,
      version,
      packages: { base: '0.3.0-aa', site: `${version}-bb` },
      schema: 90,
      knownSchema: 90,
      role: 'single' as const,
      relationship: this.options.relationship ?? paired,
      freeBytes,
      sharedName: { host: sharedName, port: 443 },
      stored: {
        users: 3,
        jumpItems: 20,
        sessions: 100,
        databaseBytes: 50_000_000,
        recordingBytes: 9_000_000,
        fileBytes: 1_000_000,
      },
    };
  }
}
