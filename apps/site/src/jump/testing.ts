import { cpSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { Store, type Context, type Migration } from '@bascule/store/store.ts';
import { memoryDirectory } from '@bascule/testkit/memory-directory.ts';
import { Jump, SiteIdentity, jumpMigrations, type LinksOfRehearsal } from './jump.ts';

export const ADMINISTRATOR: Context = { actor: { kind: 'user', id: null, name: 'ada' }, address: '192.0.2.1' };

/** A site of one domain: real database, identity and control links on a free port of 127.0.0.1. */
export class TestSite {
  readonly directory: string;
  readonly store: Store;
  readonly identity: SiteIdentity;
  readonly jump: Jump;
  readonly server: Server;
  readonly port: number;

  private constructor(parts: Pick<TestSite, 'directory' | 'store' | 'identity' | 'jump' | 'server'>) {
    this.directory = parts.directory;
    this.store = parts.store;
    this.identity = parts.identity;
    this.jump = parts.jump;
    this.server = parts.server;
    this.port = (parts.server.address() as AddressInfo).port;
  }

  static async open(
    options: {
      now?: () => number;
      users?: Record<string, string>;
      directory?: string;
      /** Of other domains. */
      migrations?: Migration[];
      version?: string;
      rehearsal?: LinksOfRehearsal;
      addresses?: () => { host: string; port: number }[];
    } = {},
  ): Promise<TestSite> {
    const directory = options.directory ?? memoryDirectory('bascule-jump-');
    const log = createLog('test', 'silent');
    const store = Store.open({
      path: join(directory, 'site.db'),
      migrations: [...jumpMigrations, ...(options.migrations ?? [])],
      appliance: 'test',
      log,
      now: options.now,
    });
    const identity = await SiteIdentity.open({ keysDir: join(directory, 'keys'), now: options.now });
    const jump = await Jump.open({
      store,
      identity,
      keysDir: join(directory, 'keys'),
      appliance: 'test',
      ...(options.version !== undefined && { version: options.version }),
      ...(options.rehearsal !== undefined && { rehearsal: options.rehearsal }),
      ...(options.addresses !== undefined && { addresses: options.addresses }),
      log,
      userName: (id) => options.users?.[id],
      now: options.now,
    });
    const server = createServer({ pauseOnConnect: true }, (socket) => jump.acceptLink(socket, new Uint8Array()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TestSite({ directory, store, identity, jump, server });
  }

  /** A site on a scratch copy of this one, in a test of the standby. */
  async rehearsal(rehearsal: LinksOfRehearsal): Promise<TestSite> {
    const directory = memoryDirectory('bascule-rehearsal-');
    cpSync(join(this.directory, 'keys'), join(directory, 'keys'), { recursive: true });
    await this.store.snapshot(join(directory, 'site.db'));
    return await TestSite.open({ directory, rehearsal });
  }

  /** A token for many enrolments, approved at once unless `approveEach`. */
  token(options: { uses?: number; approveEach?: boolean; validForMs?: number; groupId?: string } = {}): string {
    const { uses = 100, approveEach = false, validForMs = 3_600_000, groupId = null } = options;
    return this.jump.tokens.create(ADMINISTRATOR, { name: 'test', uses, approveEach, validForMs, groupId }).text;
  }

  /** Where a client dials. */
  get target() {
    return { host: '127.0.0.1', port: this.port, proxy: undefined };
  }

  /** The codes of the audit events so far, newest first. */
  auditCodes(): string[] {
    return readAudit(this.store, { limit: 200 }).map((event) => event.code);
  }

  async close(options: { keep?: boolean } = {}): Promise<void> {
    this.server.close();
    await this.jump.close();
    this.store.close();
    if (options.keep !== true) rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Rows of Jump Clients that never connected, made in one transaction: `node-0`, `node-1` ..., in turn of `groupIds`, one of a hundred waiting for approval, every tenth a Jumpoint. */
export function fillJumpItems(store: Store, count: number, groupIds: readonly (string | null)[]): void {
  store.transact(ADMINISTRATOR, { code: 'TEST_ITEMS', summary: 'Made items', details: {} }, (tx) => {
    tx.run(
      `WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < CAST(? AS INTEGER) - 1)
       INSERT INTO jump_clients (id, name, group_id, state, comment, host_name, os, arch, addresses, runs_as, version, key_sha256,
         enrolled_at_ms, last_seen_at_ms, tags, program)
       SELECT printf('jc_01900000-0000-7000-8000-%012x', n), 'node-' || n, json_extract(?, '$[' || (n % CAST(? AS INTEGER)) || ']'),
         iif(n % 100 = 7, 'waiting-for-approval', 'approved'), '', 'host-' || n || '.example.internal', 'Debian GNU/Linux 12 (bookworm)', 'x64',
         json_array(printf('10.%d.%d.%d', n >> 16, (n >> 8) & 255, n & 255)), 'root', '0.2.' || (n % 10), 'key-' || n,
         1, n + 1, iif(n % 2, '["odd"]', '["even"]'), iif(n % 10 = 9, 'jumpoint', 'jump-client')
       FROM numbers`,
      count,
      JSON.stringify(groupIds),
      groupIds.length,
    );
  });
}
