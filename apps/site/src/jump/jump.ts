import { hkdfSync } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import type { FromClient, HeldSession, ToClient } from '@bascule/protocol/control-link.ts';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { ControlLinks } from './control-links.ts';
import type { AcceptedExtras, ClientMessage, Hello, LinkDirectory } from './link.ts';
import { ClientNotes } from './client-notes.ts';
import { enrolClient, sha256 } from './enrolment.ts';
import { InstallerTokens, LOCAL_TOKEN_NAME } from './installer-tokens.ts';
import { ItemChanges } from './item-changes.ts';
import { EnrolmentRefused, unknownGroup, wrongState } from './jump-errors.ts';
import { JumpGroups } from './jump-groups.ts';
import * as rows from './jump-store.ts';
import type { ClientRow, ClientState } from './jump-store.ts';
import { LinkLeaf } from './link-leaf.ts';
import { WindowLimit } from './window-limit.ts';
import { CLIENT_CERTIFICATE_LIFE_MS, type LinkTls, type SiteIdentity } from './site-identity.ts';
import { readTicketKeys } from './ticket-keys.ts';

export { jumpMigrations } from './jump-migrations.ts';
export { SiteIdentity, type LinkTls } from './site-identity.ts';
export { type AcceptedExtras, type ClientMessage, type Hello } from './link.ts';
export { Installer } from './installer.ts';
export { jumpRoutes } from './jump-routes.ts';
export { type ClientRow, type ClientState } from './jump-store.ts';

/** A last-seen time in the database that is younger than this is not written again at a connect. */
const LAST_SEEN_FRESH_MS = 60 * 60_000;
const AUDIT_WINDOW_MS = 60_000;

const approved = defineAuditEvent('JUMP_CLIENT_APPROVED', 'Approved Jump Client {name}');
const confirmed = defineAuditEvent('JUMP_CLIENT_CONFIRMED', 'Confirmed Jump Client {name}');
const revoked = defineAuditEvent('JUMP_CLIENT_REVOKED', 'Revoked Jump Client {name}');
const deleted = defineAuditEvent('JUMP_CLIENT_DELETED', 'Deleted Jump Client {name}');
const changed = defineAuditEvent('JUMP_ITEM_CHANGED', 'Changed Jump Item {name}');
const unknownListed = defineAuditEvent(
  'JUMP_CLIENT_UNKNOWN',
  'Jump Client {client} on {hostName} has a valid certificate but is unknown here: listed to be confirmed',
);
const linkRefused = defineAuditEvent('JUMP_LINK_REFUSED', 'Refused a control link from {address}: {reason}');
const enrolmentRefused = defineAuditEvent('JUMP_ENROLMENT_REFUSED', 'Refused an enrolment from {address}: {reason}');
const conflictSeen = defineAuditEvent(
  'JUMP_CLIENT_DUPLICATED',
  'Two machines use the identity of Jump Client {client}: the newer one is held',
);
const conflictDecided = defineAuditEvent(
  'JUMP_CONFLICT_DECIDED',
  'Decided for the {keep} of two machines that use the identity of Jump Client {name}',
);

export type ClientCutReason = 'revoked' | 'deleted' | 'replaced';

export interface JumpOptions {
  store: Store;
  identity: SiteIdentity;
  keysDir: string;
  appliance: string;
  log: Log;
  /** The names of users, for the members of Jump Groups. */
  userName(id: string): string | undefined;
  now?: () => number;
}

/** Connected Jump Items that are looked at to choose one. */
const CONNECTED_TARGETS_MAX = 100;

/** A Jump Item as the other domains see it. */
export interface JumpTarget {
  id: string;
  name: string;
  groupId: string | null;
  hostName: string;
  runsAs: string;
  state: ClientState;
  online: boolean;
}

/**
 * Jump Clients, Jump Groups, installer tokens: their rows, their control links, and who is connected. `open` first, then `acceptLink` for
 * every connection that base hands over.
 */
export class Jump {
  #options: JumpOptions;
  #store: Store;
  #now: () => number;
  #log: Log;
  #links: ControlLinks;
  #changes: ItemChanges;
  #sessionCounts = new Map<string, number>();
  #notes: ClientNotes;
  #clientCount: number;
  #auditLimit: WindowLimit;
  #linkListeners: ((clientId: string, connected: boolean) => void)[] = [];
  #sessionListeners: ((clientId: string, held: HeldSession[]) => void)[] = [];
  #messageListeners: ((clientId: string, message: ClientMessage) => void)[] = [];
  #cutListeners: ((clientId: string, reason: ClientCutReason) => void)[] = [];
  #conflictListeners: (() => void)[] = [];
  #helloListeners: ((clientId: string, hello: Hello) => void)[] = [];
  #extras: ((clientId: string, hello: Hello) => AcceptedExtras)[] = [];
  #onRequest: (clientId: string, request: IncomingMessage, response: ServerResponse) => void = (_client, _request, response) =>
    void response.writeHead(404).end();
  #upgradeView: (row: ClientRow) => Pick<JumpItem, 'upgrade' | 'upgradePlace'> = () => ({
    upgrade: 'current',
    upgradePlace: null,
  });
  /** Of connected clients. */
  #software = new Map<string, ClientSoftware>();
  readonly groups: JumpGroups;
  readonly tokens: InstallerTokens;
  readonly #leaf: LinkLeaf;
  readonly #dataTicketKeys: Buffer;

  private constructor(options: JumpOptions, leaf: LinkLeaf) {
    this.#options = options;
    this.#store = options.store;
    this.#now = options.now ?? Date.now;
    this.#log = options.log;
    this.#leaf = leaf;
    this.#changes = new ItemChanges(this.#now());
    const common = { store: options.store, now: this.#now };
    this.groups = new JumpGroups({ ...common, changes: this.#changes, userName: options.userName });
    this.tokens = new InstallerTokens({ ...common, identity: options.identity });
    this.#notes = new ClientNotes({ store: options.store, changes: this.#changes, log: options.log });
    this.#clientCount = rows.countClients(options.store).total;
    this.#auditLimit = new WindowLimit({ windowMs: AUDIT_WINDOW_MS, perKey: 1, inAll: 60, now: this.#now });
    const ticketKeys = readTicketKeys(options.keysDir, this.#now());
    this.#dataTicketKeys = Buffer.from(hkdfSync('sha256', ticketKeys, '', 'bascule data links', ticketKeys.length));
    this.#links = new ControlLinks({
      directory: this.#directory(),
      tls: leaf.tls,
      ticketKeys,
      appliance: options.appliance,
      log: options.log,
      now: this.#now,
    });
    leaf.onRenewed((tls) => this.#links.setTls(tls));
  }

  /** Makes the part ready, with a link certificate of this start. */
  static async open(options: JumpOptions): Promise<Jump> {
    const { identity, log, now = Date.now } = options;
    return new Jump(options, await LinkLeaf.open({ identity, log, now }));
  }

  /** What links are secured with: key, chain and authority; the relay needs the same, and keys of its own for the sessions of data links. */
  get linkTls(): LinkTls & { ticketKeys: Buffer } {
    return { ...this.#leaf.tls, ticketKeys: this.#dataTicketKeys };
  }

  /** `linkTls` is another one now. */
  onLinkTlsChanged(listener: () => void): void {
    this.#leaf.onRenewed(listener);
  }

  /** Ends all links and writes what is still to be noted. `hasSession`: the site is back in a moment, and clients are told to be so too, those with a session first. */
  async close(hasSession?: (clientId: string) => boolean): Promise<void> {
    this.#leaf.close();
    await this.#links.close(hasSession);
    this.#notes.close();
  }

  /** Takes over a connection with ALPN `bascule-link/1`; `head` is what base read of it. */
  acceptLink(socket: Socket, head: Uint8Array): void {
    this.#links.accept(socket, head);
  }

  /** A client's link came (`connected`) or went. At a link that came, `onClientSessions` follows. */
  onClientLink(listener: (clientId: string, connected: boolean) => void): void {
    this.#linkListeners.push(listener);
  }
  /** At every connect: the sessions the client still holds a process for. */
  onClientSessions(listener: (clientId: string, held: HeldSession[]) => void): void {
    this.#sessionListeners.push(listener);
  }
  /** At every connect, after `onClientSessions`: the whole `hello`. */
  onClientHello(listener: (clientId: string, hello: Hello) => void): void {
    this.#helloListeners.push(listener);
  }
  /** What goes with `accepted`; asked at every connect, so it must be quick. */
  addAcceptedExtras(provider: (clientId: string, hello: Hello) => AcceptedExtras): void {
    this.#extras.push(provider);
  }
  /** Who answers requests that clients make over mutual TLS beside their links; without it they find nothing. */
  serveRequests(handler: (clientId: string, request: IncomingMessage, response: ServerResponse) => void): void {
    this.#onRequest = handler;
  }
  /** Who knows how far each client is in the upgrade queue. */
  showUpgrades(view: (row: ClientRow) => Pick<JumpItem, 'upgrade' | 'upgradePlace'>): void {
    this.#upgradeView = view;
  }
  /** The item's place in the queue or its state there changed. */
  noteUpgrade(clientId: string): void {
    this.#changes.note(clientId);
  }
  /** What a connected client said about its software. */
  softwareOf(clientId: string): ClientSoftware | undefined {
    return this.#software.get(clientId);
  }
  /** Every message of an accepted client but `hello`. */
  onClientMessage(listener: (clientId: string, message: ClientMessage) => void): void {
    this.#messageListeners.push(listener);
  }
  /** The client was revoked, deleted, or lost against another with its identity: its sessions end now. */
  onClientCut(listener: (clientId: string, reason: ClientCutReason) => void): void {
    this.#cutListeners.push(listener);
  }
  /** Some Jump Item changed (rows, presence): lists are to be fetched again. */
  onItemsChanged(listener: () => void): void {
    this.#changes.onChange(listener);
  }
  /** Memberships, or the group of an item, changed: somebody may have lost the right to jump to an item. */
  onAccessChanged(listener: () => void): void {
    this.groups.onAccessChanged(listener);
  }
  onConflictsChanged(listener: () => void): void {
    this.#conflictListeners.push(listener);
  }

  /** Sends to the client's live link; false when it has none, or its buffer is full. */
  sendToClient(clientId: string, message: ToClient): boolean {
    return this.#links.send(clientId, message);
  }

  isOnline(clientId: string): boolean {
    return this.#links.isOnline(clientId);
  }

  /** Jump Items that are connected and approved; one on this very machine first, then the one that came last. */
  connectedTargets(): JumpTarget[] {
    const own = (id: string) => (rows.isEnrolledBy(this.#store, id, LOCAL_TOKEN_NAME) ? 1 : 0);
    return this.#links
      .latestOnline(CONNECTED_TARGETS_MAX)
      .sort((one, other) => own(other) - own(one))
      .flatMap((id) => this.target(id) ?? [])
      .filter((target) => target.state === 'approved');
  }

  /** For the list: how many access sessions live on the client. */
  noteSessionCount(clientId: string, count: number): void {
    if (count === 0) this.#sessionCounts.delete(clientId);
    else this.#sessionCounts.set(clientId, count);
    this.#changes.note(clientId);
  }

  counts(): { online: number; total: number; waiting: number; conflicts: number } {
    return { ...rows.countClients(this.#store), online: this.#links.online, conflicts: this.#links.conflictCount };
  }

  /** The Jump Item `id`, or undefined. Whether a user may see it is policy's. */
  target(id: string): JumpTarget | undefined {
    const row = rows.clientById(this.#store, id);
    if (row === undefined) return undefined;
    return {
      id,
      name: row.name,
      groupId: row.groupId,
      hostName: row.hostName,
      runsAs: row.runsAs,
      state: row.state,
      online: this.isOnline(id),
    };
  }

  /** The Jump Groups whose items the user may see and jump to. */
  groupIdsOfUser(userId: string): string[] {
    return this.groups.idsOfUser(userId);
  }

  /**
   * The list for one viewer: complete, or what changed after revision `since`. `mayList` decides per item; what it turns down is named in
   * `removed` when something about it changed, just like a deleted one.
   */
  items(since: number | undefined, mayList: (item: { groupId: string | null }) => boolean) {
    const revision = this.#changes.revision;
    const ids = since === undefined ? undefined : this.#changes.since(since);
    const items: JumpItem[] = [];
    const removed: string[] = [];
    if (ids === undefined) {
      for (const row of rows.allClients(this.#store)) if (mayList(row)) items.push(this.#toItem(row));
      return { revision, complete: true, items, removed };
    }
    for (const id of ids) {
      const row = rows.clientById(this.#store, id);
      if (row !== undefined && mayList(row)) items.push(this.#toItem(row));
      else removed.push(id);
    }
    return { revision, complete: false, items, removed };
  }

  item(id: string): JumpItem | undefined {
    const row = rows.clientById(this.#store, id);
    return row && this.#toItem(row);
  }

  /** Renames, moves or comments an item. */
  changeItem(context: Context, id: string, change: { name?: string; groupId?: string | null; comment?: string }): JumpItem {
    const row = this.#row(id);
    if (change.groupId !== undefined && change.groupId !== null && rows.groupName(this.#store, change.groupId) === undefined)
      throw unknownGroup('body.groupId');
    const next = {
      name: change.name ?? row.name,
      groupId: change.groupId === undefined ? row.groupId : change.groupId,
      comment: change.comment ?? row.comment,
    };
    this.#store.transact(context, changed({ client: id, before: row.name, ...next }), (tx) => rows.updateClient(tx, id, next));
    this.#noteNames(id, row.name, next.name);
    if (next.groupId !== row.groupId) this.groups.noteAccessChanged();
    return this.item(id)!;
  }

  /** waiting-for-approval → approved. */
  approve(context: Context, id: string): JumpItem {
    return this.#admitRow(context, id, 'waiting-for-approval', approved);
  }

  /** to-be-confirmed → approved: an identity that the database did not know (restored, failed over). */
  confirm(context: Context, id: string): JumpItem {
    return this.#admitRow(context, id, 'to-be-confirmed', confirmed);
  }

  /** The client stays listed, and is refused from now on; its link and its sessions end at once. */
  revoke(context: Context, id: string): JumpItem {
    const row = this.#row(id);
    if (row.state === 'revoked') throw wrongState(row.state);
    this.#store.transact(context, revoked({ client: id, name: row.name }), (tx) => rows.updateClientState(tx, id, 'revoked'));
    this.#cut(id, 'revoked');
    return this.item(id)!;
  }

  /** As `revoke`, and the client is no longer listed. */
  delete(context: Context, id: string): void {
    const row = this.#row(id);
    this.#store.transact(context, deleted({ client: id, name: row.name }), (tx) => rows.deleteClient(tx, row, this.#now()));
    this.#clientCount -= 1;
    this.#cut(id, 'deleted');
    this.#notes.forget(id);
    this.#noteNames(id, row.name, row.name);
  }

  /** A token for the client on this very machine: one use, ten minutes, approved at once. */
  createLocalClientToken(): string {
    return this.tokens.createLocal();
  }

  conflicts() {
    return this.#links.conflicts().flatMap((conflict) => {
      const row = rows.clientById(this.#store, conflict.clientId);
      if (row === undefined) return [];
      const { hostName, os, user } = this.#notes.factsOf(row.id) ?? { hostName: row.hostName, os: row.os, user: row.runsAs };
      const older = { hostName, address: conflict.olderAddress, os, user, sinceMs: conflict.olderSinceMs };
      return [{ clientId: row.id, name: row.name, older, newer: conflict.newer }];
    });
  }

  /** Ends a conflict; the other machine has to be enrolled anew. */
  decideConflict(context: Context, clientId: string, keep: 'older' | 'newer'): void {
    if (!this.#links.conflicts().some((conflict) => conflict.clientId === clientId)) throw notFound();
    this.#store.transact(context, conflictDecided({ client: clientId, name: this.#row(clientId).name, keep }), () => undefined);
    this.#links.decide(clientId, keep);
  }

  #row(id: string): ClientRow {
    const row = rows.clientById(this.#store, id);
    if (row === undefined) throw notFound();
    return row;
  }

  #admitRow(context: Context, id: string, from: ClientState, event: typeof approved): JumpItem {
    const row = this.#row(id);
    if (row.state !== from) throw wrongState(row.state);
    this.#store.transact(context, event({ client: id, name: row.name }), (tx) => rows.updateClientState(tx, id, 'approved'));
    this.#changes.note(id);
    this.#links.tellState(id, 'approved');
    return this.item(id)!;
  }

  #cut(id: string, reason: ClientCutReason): void {
    for (const listener of this.#cutListeners) listener(id, reason);
    this.#links.cut(id);
    this.#changes.note(id);
  }

  /** The mark 'duplicate name' changes on others, too. */
  #noteNames(id: string, before: string, after: string): void {
    for (const other of new Set([id, ...rows.idsWithName(this.#store, before), ...rows.idsWithName(this.#store, after)]))
      this.#changes.note(other);
  }

  #toItem(row: ClientRow): JumpItem {
    const onlineSinceMs = this.#links.onlineSinceMs(row.id);
    return {
      id: row.id,
      name: row.name,
      groupId: row.groupId,
      groupName: row.groupName,
      hostName: row.hostName,
      os: row.os,
      addresses: JSON.parse(row.addresses) as string[],
      runsAs: row.runsAs,
      version: row.version,
      state: row.state,
      online: onlineSinceMs !== undefined,
      sinceMs: onlineSinceMs ?? this.#notes.seenAtMs(row.id) ?? row.lastSeenAtMs,
      duplicateName: row.duplicateName === 1,
      comment: row.comment,
      sessions: this.#sessionCounts.get(row.id) ?? 0,
      program: row.program,
      revision: row.revision,
      mode: row.mode,
      tags: JSON.parse(row.tags) as string[],
      ...this.#upgradeView(row),
    };
  }

  #audit(event: Parameters<Store['transact']>[1] & object, address: string): void {
    if (!this.#auditLimit.take(address)) return;
    try {
      this.#store.transact({ ...SYSTEM, address }, event as never, () => undefined);
    } catch (error) {
      this.#log.warn({ err: error }, 'refusal-not-audited');
    }
  }

  #directory(): LinkDirectory {
    return {
      admit: (clientId, hello, publicKey, address) => this.#admit(clientId, hello, publicKey, address),
      extras: (clientId, hello) =>
        Object.assign({}, ...this.#extras.map((provider) => provider(clientId, hello))) as AcceptedExtras,
      request: (clientId, request, response) => this.#onRequest(clientId, request, response),
      enrol: (message, challenge, address) => this.#enrol(message, challenge, address),
      renew: (clientId, endMs, publicKey) => this.#renew(clientId, endMs, publicKey),
      clientCount: () => this.#clientCount,
      linked: (clientId, hello) => {
        if (hello.software !== undefined) this.#software.set(clientId, hello.software);
        this.#changes.note(clientId);
        for (const listener of this.#linkListeners) listener(clientId, true);
        for (const listener of this.#sessionListeners) listener(clientId, hello.sessions);
        for (const listener of this.#helloListeners) listener(clientId, hello);
      },
      unlinked: (clientId) => {
        this.#notes.noteSeen(clientId, this.#now());
        this.#software.delete(clientId);
        this.#changes.note(clientId);
        for (const listener of this.#linkListeners) listener(clientId, false);
      },
      conflictsChanged: (clientId) => {
        if (this.#links.conflicts().some((conflict) => conflict.clientId === clientId))
          this.#audit(conflictSeen({ client: clientId }), clientId);
        for (const listener of this.#conflictListeners) listener();
      },
      replaced: (clientId) => {
        for (const listener of this.#cutListeners) listener(clientId, 'replaced');
      },
      message: (clientId, message) => {
        for (const listener of this.#messageListeners) listener(clientId, message);
      },
      refused: (event) => this.#audit(linkRefused(event), event.address),
    };
  }

  #admit(clientId: string, { facts, software }: Hello, publicKey: () => Buffer, address: string): ClientState {
    const nowMs = this.#now();
    const row = rows.admissionOf(this.#store, clientId);
    if (row === undefined) {
      if (rows.isDeleted(this.#store, clientId)) return 'revoked';
      const keySha256 = sha256(publicKey());
      const name = facts.hostName.trim() || 'unnamed';
      this.#store.transact(
        { actor: { kind: 'jump-client', id: clientId, name }, address },
        unknownListed({ client: clientId, hostName: facts.hostName }),
        (tx) =>
          rows.insertClient(tx, {
            id: clientId,
            name,
            groupId: null,
            state: 'to-be-confirmed',
            facts,
            keySha256,
            tokenId: null,
            nowMs,
          }),
      );
      this.#clientCount += 1;
      this.#noteNames(clientId, name, name);
      return 'to-be-confirmed';
    }
    if (row.state !== 'revoked') {
      const isSame = rows.sameFacts(row, facts) && (software === undefined || rows.softwareText(software) === row.software);
      if (!isSame || this.#notes.factsOf(clientId) !== undefined) this.#notes.noteFacts(clientId, facts, software);
      if (nowMs - (row.lastSeenAtMs ?? 0) > LAST_SEEN_FRESH_MS) this.#notes.noteSeen(clientId, nowMs);
    }
    return row.state;
  }

  async #enrol(message: Extract<FromClient, { kind: 'enrol' }>, challenge: string, address: string) {
    try {
      const enrolled = await enrolClient({
        store: this.#store,
        identity: this.#options.identity,
        message,
        challenge,
        address,
        nowMs: this.#now(),
      });
      if (enrolled.isNew) {
        this.#clientCount += 1;
        this.#noteNames(enrolled.client, enrolled.name, enrolled.name);
      }
      return { client: enrolled.client, certificate: enrolled.certificate, authority: this.#options.identity.certificatePem };
    } catch (error) {
      if (error instanceof EnrolmentRefused)
        this.#audit(enrolmentRefused({ address, reason: error.reason, hostName: message.facts.hostName }), address);
      throw error;
    }
  }

  #renew(clientId: string, endMs: number, publicKey: () => Buffer): Promise<string> | undefined {
    if (endMs - this.#now() > CLIENT_CERTIFICATE_LIFE_MS / 3) return undefined;
    return this.#options.identity.issueClientCertificate(clientId, publicKey());
  }
}
