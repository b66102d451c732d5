import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { Store, type Context } from '@bascule/store/store.ts';
import { Jump, SiteIdentity, jumpMigrations } from './jump.ts';

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

  static async open(options: { now?: () => number; users?: Record<string, string>; directory?: string } = {}): Promise<TestSite> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'bascule-jump-'));
    const log = createLog('test', 'silent');
    const store = Store.open({
      path: join(directory, 'site.db'),
      migrations: jumpMigrations,
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
      log,
      userName: (id) => options.users?.[id],
      now: options.now,
    });
    const server = createServer({ pauseOnConnect: true }, (socket) => jump.acceptLink(socket, new Uint8Array()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TestSite({ directory, store, identity, jump, server });
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
