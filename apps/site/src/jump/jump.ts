import { randomBytes, type X509Certificate } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { notFound } from '@bascule/errors/app-error.ts';
import { newId } from '@bascule/core/ids.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ClientFacts, FromClient, HeldSession, ToClient } from '@bascule/protocol/control-link.ts';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { ControlLinks, type ClientMessage, type LinkDirectory } from './control-links.ts';
import { enrolClient, newToken, sha256 } from './enrolment.ts';
import { ItemChanges } from './item-changes.ts';
import { EnrolmentRefused, groupNameTaken, tooManyTokens, unknownGroup, unknownMember, wrongState } from './jump-errors.ts';
import * as rows from './jump-store.ts';
import type { ClientRow, ClientState, TokenRow } from './jump-store.ts';
import { RateLimit } from './rate-limit.ts';
import { CLIENT_CERTIFICATE_LIFE_MS, SiteIdentity, type LinkTls } from './site-identity.ts';

export { jumpMigrations } from './jump-migrations.ts';
export { SiteIdentity, type LinkTls } from './site-identity.ts';
export { type ClientMessage } from './control-links.ts';
export { Installer } from './installer.ts';
export { jumpRoutes } from './jump-routes.ts';
export { type ClientState } from './jump-store.ts';

/** Installer tokens that are valid at one time, at most. */
export const VALID_TOKENS_LIMIT = 200;
const LOCAL_TOKEN_LIFE_MS = 10 * 60_000;
/** Facts and last-seen times are written together, this often, at most so many clients in one transaction. */
const NOTES_INTERVAL_MS = 1000;
const NOTES_BATCH = 500;
/** A last-seen time in the database that is younger than this is not written again at a connect. */
const LAST_SEEN_FRESH_MS = 60 * 60_000;
/** The keys of TLS session tickets are made anew at a start when they are older than this. */
const TICKET_KEYS_LIFE_MS = 7 * 24 * 60 * 60_000;
const TICKET_KEYS_BYTES = 48;
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
const notesWritten = defineAuditEvent(
  'JUMP_CLIENTS_NOTED',
  'Noted changed facts of {facts} and last-seen times of {seen} Jump Clients',
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
const groupCreated = defineAuditEvent('JUMP_GROUP_CREATED', 'Created Jump Group {name}');
const groupChanged = defineAuditEvent('JUMP_GROUP_CHANGED', 'Changed Jump Group {name}');
const groupDeleted = defineAuditEvent('JUMP_GROUP_DELETED', 'Deleted Jump Group {name}');
const tokenCreated = defineAuditEvent('JUMP_TOKEN_CREATED', 'Created installer token {name}, {uses} uses');
const tokenRevoked = defineAuditEvent('JUMP_TOKEN_REVOKED', 'Revoked installer token {name}');
const SYSTEM: Context = { actor: { kind: 'system', id: null, name: 'system' }, address: '' };

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
  #pendingFacts = new Map<string, ClientFacts>();
  #pendingSeen = new Map<string, number>();
  #notesTimer: NodeJS.Timeout;
  #clientCount: number;
  #auditLimit: RateLimit;
  #linkListeners: ((clientId: string, connected: boolean) => void)[] = [];
  #sessionListeners: ((clientId: string, held: HeldSession[]) => void)[] = [];
  #messageListeners: ((clientId: string, message: ClientMessage) => void)[] = [];
  #cutListeners: ((clientId: string, reason: ClientCutReason) => void)[] = [];
  #conflictListeners: (() => void)[] = [];
  /** What links are secured with: key, chain and authority; the relay needs the same. */
  readonly linkTls: LinkTls;

  private constructor(options: JumpOptions, tls: LinkTls) {
    this.#options = options;
    this.#store = options.store;
    this.#now = options.now ?? Date.now;
    this.#log = options.log;
    this.linkTls = tls;
    this.#changes = new ItemChanges(this.#now());
    this.#clientCount = rows.countClients(options.store).total;
    this.#auditLimit = new RateLimit({ windowMs: AUDIT_WINDOW_MS, perKey: 1, inAll: 60, now: this.#now });
    this.#links = new ControlLinks({
      directory: this.#directory(),
      tls,
      ticketKeys: readTicketKeys(options.keysDir, this.#now()),
      appliance: options.appliance,
      log: options.log,
      now: this.#now,
    });
    this.#notesTimer = setInterval(() => this.#writeNotes(), NOTES_INTERVAL_MS).unref();
  }

  /** Makes the part ready: issues this start's link certificate (one year, so it is renewed at every start). */
  static async open(options: JumpOptions): Promise<Jump> {
    return new Jump(options, await options.identity.issueLinkTls());
  }

  /** Ends all links and writes what is still to be noted. */
  async close(): Promise<void> {
    clearInterval(this.#notesTimer);
    await this.#links.close();
    while (this.#pendingFacts.size + this.#pendingSeen.size > 0) this.#writeNotes();
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
    return rows.groupIdsOfUser(this.#store, userId);
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
    if (change.groupId != null && rows.groupName(this.#store, change.groupId) === undefined) throw unknownGroup('body.groupId');
    const next = {
      name: change.name ?? row.name,
      groupId: change.groupId === undefined ? row.groupId : change.groupId,
      comment: change.comment ?? row.comment,
    };
    this.#store.transact(context, changed({ client: id, before: row.name, ...next }), (tx) => rows.updateClient(tx, id, next));
    this.#noteNames(id, row.name, next.name);
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
    this.#pendingFacts.delete(id);
    this.#cut(id, 'deleted');
    this.#pendingSeen.delete(id);
    this.#noteNames(id, row.name, row.name);
  }

  groups() {
    const members = new Map<string, { id: string; name: string }[]>();
    for (const { groupId, userId } of rows.allGroupMembers(this.#store)) {
      const name = this.#options.userName(userId);
      if (name === undefined) continue;
      const list = members.get(groupId) ?? [];
      list.push({ id: userId, name });
      members.set(groupId, list);
    }
    return rows.allGroups(this.#store).map((group) => ({ ...group, members: members.get(group.id) ?? [] }));
  }

  createGroup(context: Context, name: string): string {
    if (rows.groupIdByName(this.#store, name) !== undefined) throw groupNameTaken(name);
    const id = newId('jumpGroup', this.#now());
    this.#store.transact(context, groupCreated({ group: id, name }), (tx) =>
      rows.insertGroup(tx, { id, name, nowMs: this.#now() }),
    );
    return id;
  }

  changeGroup(context: Context, id: string, change: { name?: string; memberIds?: string[] }): void {
    const before = rows.groupName(this.#store, id);
    if (before === undefined) throw notFound();
    const name = change.name ?? before;
    const taken = rows.groupIdByName(this.#store, name);
    if (taken !== undefined && taken !== id) throw groupNameTaken(name);
    if (change.memberIds?.some((member) => this.#options.userName(member) === undefined)) throw unknownMember();
    this.#store.transact(
      context,
      groupChanged({ group: id, before, name, ...(change.memberIds && { members: change.memberIds }) }),
      (tx) => {
        rows.renameGroup(tx, id, name);
        if (change.memberIds !== undefined) rows.setGroupMembers(tx, id, change.memberIds);
      },
    );
    this.#changes.noteAll();
  }

  deleteGroup(context: Context, id: string): void {
    const name = rows.groupName(this.#store, id);
    if (name === undefined) throw notFound();
    this.#store.transact(context, groupDeleted({ group: id, name }), (tx) => rows.deleteGroup(tx, id));
    this.#changes.noteAll();
  }

  tokens() {
    return rows.latestTokens(this.#store).map((row) => this.#toToken(row));
  }

  /** Makes an installer token; its text is in the answer and nowhere else. */
  createToken(
    context: Context,
    options: { name: string; validForMs: number; uses: number; groupId: string | null; approveEach: boolean },
  ) {
    const nowMs = this.#now();
    if (options.groupId !== null && rows.groupName(this.#store, options.groupId) === undefined)
      throw unknownGroup('body.groupId');
    if (rows.countValidTokens(this.#store, nowMs) >= VALID_TOKENS_LIMIT) throw tooManyTokens(VALID_TOKENS_LIMIT);
    const { text, ...made } = newToken({ identity: this.#options.identity, nowMs });
    const event = tokenCreated({ tokenId: made.id, name: options.name, uses: options.uses, approveEach: options.approveEach });
    this.#store.transact(context, event, (tx) =>
      rows.insertToken(tx, {
        ...made,
        name: options.name,
        groupId: options.groupId,
        createdBy: context.actor.name,
        createdAtMs: nowMs,
        validUntilMs: nowMs + options.validForMs,
        uses: options.uses,
        approveEach: options.approveEach ? 1 : 0,
      }),
    );
    return { token: this.#toToken(rows.tokenById(this.#store, made.id)!), text };
  }

  revokeToken(context: Context, id: string): void {
    const token = rows.tokenById(this.#store, id);
    if (token === undefined) throw notFound();
    this.#store.transact(context, tokenRevoked({ tokenId: id, name: token.name }), (tx) => rows.revokeToken(tx, id));
  }

  /** A token for the client on this very machine: one use, ten minutes, approved at once. */
  createLocalClientToken(): string {
    return this.createToken(SYSTEM, {
      name: 'This machine',
      validForMs: LOCAL_TOKEN_LIFE_MS,
      uses: 1,
      groupId: null,
      approveEach: false,
    }).text;
  }

  conflicts() {
    return this.#links.conflicts().flatMap((conflict) => {
      const row = rows.clientById(this.#store, conflict.clientId);
      if (row === undefined) return [];
      const older = {
        hostName: row.hostName,
        address: conflict.olderAddress,
        os: row.os,
        user: row.runsAs,
        sinceMs: conflict.olderSinceMs,
      };
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
      sinceMs: onlineSinceMs ?? this.#pendingSeen.get(row.id) ?? row.lastSeenAtMs,
      duplicateName: row.duplicateName === 1,
      comment: row.comment,
      sessions: this.#sessionCounts.get(row.id) ?? 0,
    };
  }

  #toToken(row: TokenRow) {
    const state =
      row.revoked === 1
        ? ('revoked' as const)
        : row.usesLeft <= 0
          ? ('used-up' as const)
          : row.validUntilMs <= this.#now()
            ? ('expired' as const)
            : ('valid' as const);
    const { id, name, groupId, groupName, createdBy, createdAtMs, validUntilMs, usesLeft, uses } = row;
    return {
      id,
      name,
      groupId,
      groupName,
      createdBy,
      createdAtMs,
      validUntilMs,
      usesLeft,
      uses,
      approveEach: row.approveEach === 1,
      state,
    };
  }

  /** Writes a batch of facts and last-seen times; the rest waits for the next turn. */
  #writeNotes(): void {
    const facts = [...this.#pendingFacts].slice(0, NOTES_BATCH);
    const seen = [...this.#pendingSeen].slice(0, NOTES_BATCH);
    if (facts.length + seen.length === 0) return;
    const hosts = facts.slice(0, 20).map(([client, { hostName }]) => ({ client, hostName }));
    try {
      this.#store.transact(SYSTEM, notesWritten({ facts: facts.length, seen: seen.length, hosts }), (tx) => {
        for (const [id, value] of facts) rows.updateFacts(tx, id, value);
        for (const [id, atMs] of seen) rows.updateLastSeen(tx, id, atMs);
      });
    } catch (error) {
      // Noted again at the client's next connect; presence does not depend on it.
      this.#log.warn({ err: error }, 'client-notes-not-written');
    }
    for (const [id, value] of facts) {
      if (this.#pendingFacts.get(id) === value) this.#pendingFacts.delete(id);
      this.#changes.note(id);
    }
    for (const [id, atMs] of seen) if (this.#pendingSeen.get(id) === atMs) this.#pendingSeen.delete(id);
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
      admit: (clientId, facts, certificate, address) => this.#admit(clientId, facts, certificate, address),
      enrol: (message, challenge, address) => this.#enrol(message, challenge, address),
      renew: (clientId, certificate) => this.#renew(clientId, certificate),
      clientCount: () => this.#clientCount,
      linked: (clientId, sessions) => {
        this.#changes.note(clientId);
        for (const listener of this.#linkListeners) listener(clientId, true);
        for (const listener of this.#sessionListeners) listener(clientId, sessions);
      },
      unlinked: (clientId) => {
        this.#pendingSeen.set(clientId, this.#now());
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

  #admit(clientId: string, facts: ClientFacts, certificate: X509Certificate, address: string): ClientState {
    const nowMs = this.#now();
    const row = rows.clientById(this.#store, clientId);
    if (row === undefined) {
      if (rows.isDeleted(this.#store, clientId)) return 'revoked';
      const keySha256 = sha256(certificate.publicKey.export({ type: 'spki', format: 'der' }));
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
      if (!rows.sameFacts(row, facts)) this.#pendingFacts.set(clientId, facts);
      if (nowMs - (row.lastSeenAtMs ?? 0) > LAST_SEEN_FRESH_MS) this.#pendingSeen.set(clientId, nowMs);
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

  #renew(clientId: string, certificate: X509Certificate): Promise<string> | undefined {
    const leftMs = certificate.validToDate.getTime() - this.#now();
    if (leftMs > CLIENT_CERTIFICATE_LIFE_MS / 3) return undefined;
    return this.#options.identity.issueClientCertificate(clientId, certificate.publicKey.export({ type: 'spki', format: 'der' }));
  }
}

/** The keys that TLS session tickets are made with: kept over a restart, so that reconnecting clients resume their sessions. */
function readTicketKeys(keysDir: string, nowMs: number): Buffer {
  const file = join(keysDir, 'link-tickets.key');
  if (existsSync(file) && nowMs - statSync(file).mtimeMs < TICKET_KEYS_LIFE_MS) {
    const keys = readFileSync(file);
    if (keys.length === TICKET_KEYS_BYTES) return keys;
  }
  const keys = randomBytes(TICKET_KEYS_BYTES);
  const descriptor = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(descriptor, keys);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${file}.new`, file);
  return keys;
}
