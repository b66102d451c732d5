import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { enrolledClient, ScriptedLink } from '@bascule/client/testing.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { keep } from '../backup/restored-keep.ts';
import { checkDatabase } from '../backup/restored-unpack.ts';
import { ADMINISTRATOR } from '../jump/testing.ts';
import { SiteProgram } from '../life/site-program.ts';
import { testSiteConfig } from '../testing.ts';

const log = createLog('test', 'silent');
const LIMIT_MS = 20_000;
const SOFTWARE: ClientSoftware = {
  program: 'jump-client',
  version: '0.2.0',
  revision: 'abc',
  platform: 'linux-x64',
  mode: 'active',
  bundle: null,
  runtime: null,
  upgradable: true,
  trial: false,
  dials: { host: 'bascule.example', port: 8443, proxy: false },
  freeBytes: 1e9,
  authority: '0'.repeat(64),
};
type Client = Awaited<ReturnType<typeof enrolledClient>>;

/** A site as base runs it, its control links on a free port. */
class Running {
  readonly program: SiteProgram;
  readonly #server: Server;
  readonly siteDir: string;

  private constructor(program: SiteProgram, server: Server, siteDir: string) {
    this.program = program;
    this.#server = server;
    this.siteDir = siteDir;
  }

  static async open(home: string): Promise<Running> {
    const config = testSiteConfig(home);
    const program = await SiteProgram.open({ config, log, tell: () => undefined });
    const server = createServer({ pauseOnConnect: true }, (socket) => program.acceptLink(socket, new Uint8Array(), undefined));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Running(program, server, config.siteDir);
  }

  get target() {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port, proxy: undefined };
  }

  token(): string {
    const { tokens } = this.program.site!.parts.jump;
    return tokens.create(ADMINISTRATOR, { name: 'test', uses: 9, approveEach: false, validForMs: 3_600_000, groupId: null }).text;
  }

  /** The record that the client is given, for the one that it bears. */
  async visit(client: Client, record?: string): Promise<string | undefined> {
    const link = await ScriptedLink.hello(this.target, client, 'a'.repeat(32), {
      software: SOFTWARE,
      ...(record !== undefined && { record }),
    });
    const accepted = await link.next('accepted');
    return accepted.record;
  }

  async close(): Promise<void> {
    this.#server.close();
    await this.program.close();
  }
}

describe('an appliance that was restored, and the old one that still runs', () => {
  const homes = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'bascule-lineage-')));
  let old: Running;
  let restored: Running;
  let client: Client;
  let record: string | undefined;

  before(async () => {
    const [oldHome = '', newHome = ''] = homes;
    old = await Running.open(oldHome);
    client = await enrolledClient(old.target, old.token());
    record = await old.visit(client);
    // As a backup with a password holds it.
    const folder = join(newHome, 'site');
    mkdirSync(join(folder, 'keys'), { recursive: true });
    await old.program.failover.store!.snapshot(join(folder, 'site.db'));
    for (const name of ['identity.key', 'identity.crt']) cpSync(join(old.siteDir, 'keys', name), join(folder, 'keys', name));
    await checkDatabase(folder);
    const none = join(newHome, 'nothing');
    const order = { kind: 'keep', folder, siteDir: none, isBackup: true, by: 'ada', source: 'a test', known: null } as const;
    const kept = await keep({ ...order, appliance: 'new box' }, log, () => undefined);
    assert.deepEqual([kept.keysFrom, kept.epoch, kept.lostClients.count], ['backup', 2, 0]);
    // The old one went on, and came further than anybody here knew.
    const { store } = old.program.failover;
    store!.demote();
    store!.promote(SYSTEM, { code: 'TEST', summary: 'test', details: {} } as never, 5);
    restored = await Running.open(newHome);
  });
  after(async () => {
    await Promise.all([old, restored].map((site) => site?.close()));
    for (const home of homes) rmSync(home, { recursive: true, force: true });
  });

  it('serves as single in its own epoch', () => {
    assert.deepEqual([restored.program.failover.role, restored.program.failover.store?.head().epoch], ['single', 2]);
  });

  it('goes above the epoch that a client of the old one shows', async () => {
    // The place in the history is looked up once a second.
    let newer: string | undefined;
    await until(async () => epochIn((newer = await old.visit(client))) === 5);
    record = await restored.visit(client, newer);
    assert.ok(record !== undefined, 'a client always learns where the site goes on');
    await until(() => restored.program.failover.store?.head().epoch === 6);
    assert.equal(restored.program.failover.role, 'single');
    restored.program.failover.store!.transact(ADMINISTRATOR, { code: 'TEST', summary: 'test', details: {} } as never, () => 1);
  });

  it('is obeyed by the old one once a client shows it, which writes nothing from then on and keeps what it has', async () => {
    const shown = await restored.visit(client, record);
    const seq = old.program.failover.store?.head().seq;
    // Its record is left alone: the next appliance that is asked is to see it too.
    const answer = await old.visit(client, shown ?? record).catch(() => undefined);
    assert.equal(answer, undefined);
    await until(() => old.program.failover.role === 'read-only');
    assert.equal(old.program.failover.serves, false);
    assert.throws(() =>
      old.program.failover.store!.transact(ADMINISTRATOR, { code: 'TEST', summary: 'test', details: {} } as never, () => 1),
    );
    assert.equal(old.program.failover.store?.head().seq, seq);
    // Nor does the restored one give way to what it came from.
    assert.equal(restored.program.failover.role, 'single');
  });
});

function epochIn(record = ''): number {
  const text = Buffer.from(record.split('.')[0] ?? '', 'base64url').toString();
  return (JSON.parse(text) as { history: { epoch: number } }).history.epoch;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`it was not so within ${LIMIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
