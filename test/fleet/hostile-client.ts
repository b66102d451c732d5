import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import type { FleetScene } from '@bascule/testkit/fleet-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { z } from 'zod';
import { ClientHome, type StoredIdentity } from '../../packages/client/src/client-home.ts';
import { dial, type DialTarget } from '../../packages/client/src/dial.ts';
import { enrol } from '../../packages/client/src/enrol.ts';
import { FACTS, ScriptedLink, silent } from '../../packages/client/src/testing.ts';

/** Somebody who holds a client's key and speaks its protocol by hand: enrolled for real, and then says and asks what it likes. */
export class HostileClient {
  readonly id: string;
  readonly #target: DialTarget;
  readonly #home: ClientHome;
  readonly #identity: StoredIdentity;
  #link: ScriptedLink | undefined;
  #instances = 0;

  private constructor(target: DialTarget, home: ClientHome, identity: StoredIdentity) {
    this.#target = target;
    this.#home = home;
    this.#identity = identity;
    this.id = identity.client;
  }

  /** Enrols as a Jump Client of the name `hostile`. Rejects when the key is refused. */
  static async enrol(scene: FleetScene, token: string): Promise<HostileClient> {
    const target = { host: '127.0.0.1', port: scene.appliance.port, proxy: undefined };
    const home = await ClientHome.open(mkdtempSync(join(scene.appliance.directory, 'hostile-')));
    const identity = await enrol({ target, token, home, name: 'hostile', facts: FACTS, log: silent });
    return new HostileClient(target, home, identity);
  }

  /** Its open link. */
  get link(): ScriptedLink {
    if (this.#link === undefined) throw new Error('bug: it is not connected');
    return this.#link;
  }

  /** Says hello as a client that runs `version` and can upgrade itself; resolves when it was accepted. */
  async connect(version: string): Promise<void> {
    this.#instances += 1;
    const instance = String(this.#instances).padStart(32, '0');
    const software: ClientSoftware = {
      program: 'jump-client',
      version,
      revision: 'abc1234',
      platform: 'linux-x64',
      mode: 'active',
      bundle: '0'.repeat(64),
      runtime: null,
      upgradable: true,
      trial: false,
      dials: { host: this.#target.host, port: this.#target.port, proxy: false },
      freeBytes: null,
      authority: createHash('sha256').update(new X509Certificate(this.#identity.authority).raw).digest('hex'),
    };
    this.#link = await ScriptedLink.hello(this.#target, { home: this.#home, identity: this.#identity }, instance, { software });
    await this.#link.next('accepted');
  }

  /** Says what became of an order. */
  report(order: string, state: 'done' | 'rolled-back', version: string): void {
    this.link.send({ kind: 'upgrade-status', order, state, version, atMs: Date.now() });
  }

  /** Asks by HTTP over its own mutual TLS, as for a parcel. */
  async fetch(path: string): Promise<{ status: number }> {
    const { authority, certificate } = this.#identity;
    const tls = { alpn: LINK_ALPN, authority, certificate, key: this.#home.keyPem };
    const socket = await dial(this.#target, tls);
    try {
      const asking = request({ path, createConnection: () => socket, headers: { host: 'link' } }).end();
      const [response] = (await once(asking, 'response')) as [{ statusCode: number; resume(): void }];
      response.resume();
      return { status: response.statusCode };
    } finally {
      socket.destroy();
    }
  }

  /** Cuts its link. */
  async rest(): Promise<void> {
    if (this.#link === undefined) return;
    this.#link.webSocket.terminate();
    await this.#link.closed;
    this.#link = undefined;
  }

  /** It is deleted at the site. */
  async forget(scene: FleetScene): Promise<void> {
    await scene.site.call('POST', `jump/items/${this.id}/delete`, z.unknown(), {});
    await waitUntil('it is not listed any more', async () => {
      const { items } = await scene.site.call('GET', 'jump/items', jumpItems);
      return items.every(({ id }) => id !== this.id);
    });
    this.close();
  }

  close(): void {
    this.#link?.webSocket.terminate();
    this.#link = undefined;
    this.#home.close();
  }
}
