import { hkdfSync } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ClientSettings, ClientSoftware } from '@bascule/protocol/client-program.ts';
import { CONTROL_BEAT_MS, type HeldSession, type ToClient } from '@bascule/protocol/control-link.ts';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { defineAuditEvent, type AuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { BorneRecord } from './borne-record.ts';
import { CheckIns } from './check-ins.ts';
import { ClientAdmission } from './client-admission.ts';
import { ClientNotes } from './client-notes.ts';
import { ClientRehearsals, type RehearsalMessage } from './client-rehearsals.ts';
import { checkClientRules, DEFAULT_CLIENT_RULES, type ClientRules } from './client-settings.ts';
import { ControlLinks, type LinksOfRehearsal } from './control-links.ts';
import { InstallerTokens, LOCAL_TOKEN_NAME } from './installer-tokens.ts';
import { ItemActs, type BulkRequest } from './item-acts.ts';
import { ItemChanges } from './item-changes.ts';
import { ItemList, type ItemSearch, type MayList, type UpgradeView } from './item-list.ts';
import { JumpGroups } from './jump-groups.ts';
import { JumpListeners, type ClientCutReason } from './jump-listeners.ts';
import * as rows from './jump-store.ts';
import type { ClientRow, ClientState } from './jump-store.ts';
import type { AcceptedExtras, ClientMessage, Hello, LinkDirectory } from './link.ts';
import { LinkLeaf } from './link-leaf.ts';
import type { LinkTls, SiteIdentity } from './site-identity.ts';
import { readTicketKeys } from './ticket-keys.ts';
import { WindowLimit } from './window-limit.ts';

export { jumpMigrations } from './jump-migrations.ts';
export { SiteIdentity, type LinkTls } from './site-identity.ts';
export { type AcceptedExtras, type ClientMessage, type Hello } from './link.ts';
export type { TokenRules } from './installer-tokens.ts';
export { jumpRoutes } from './jump-routes.ts';
export { type ClientRow, type ClientState } from './jump-store.ts';
export type { BorneRecord } from './borne-record.ts';
export { fingerprintOf } from './site-identity-certificates.ts';
export { formerStatement, CLIENT_CERTIFICATE_LIFE_MS } from './site-identity.ts';
export { type ClientCutReason } from './jump-listeners.ts';
export { type ClientRules } from './client-settings.ts';
export type { RehearsalMessage } from './client-rehearsals.ts';
export type { LinksOfRehearsal } from './control-links.ts';
export { TurnedAwayLinks } from './turned-away.ts';

const AUDIT_WINDOW_MS = 60_000;
/** The lists are made ready so long after the start, when nobody asked for them before: clients come back first. */
const LISTS_READY_AFTER_MS = 2000;

const linkRefused = defineAuditEvent('JUMP_LINK_REFUSED', 'Refused a control link from {address}: {reason}');
const conflictSeen = defineAuditEvent(
  'JUMP_CLIENT_DUPLICATED',
  'Two machines use the identity of Jump Client {client}: the newer one is held',
);
const conflictDecided = defineAuditEvent(
  'JUMP_CONFLICT_DECIDED',
  'Decided for the {keep} of two machines that use the identity of Jump Client {name}',
  { waitsForPeer: true },
);

export interface JumpOptions {
  store: Store;
  identity: SiteIdentity;
  keysDir: string;
  appliance: string;
  /** Of the site, for clients that were installed ahead of it; such clients wait when it is absent. */
  version?: string;
  log: Log;
  /** The names of users, for the members of Jump Groups. */
  userName(id: string): string | undefined;
  /** Where the site may be, the shared name first: of a failover pair, whose clients find the primary by themselves. */
  addresses?(): { host: string; port: number }[];
  /** Of the program that serves the scratch copy in a test of the standby: who may come, and how. */
  rehearsal?: LinksOfRehearsal;
  now?: () => number;
}

/** Addresses that a client is told: the shared name, and each appliance of the pair. */
const ADDRESSES_MAX = 4;
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
  /** When a passive client that is away checks in at the latest; null for any other. */
  nextCheckInMs: number | null;
}

/**
 * Jump Clients, Jump Groups, installer tokens: their rows, their control links, and who is connected. `open` first, then `acceptLink` for
 * every connection that base hands over.
 */
export class Jump {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #links: ControlLinks;
  readonly #changes: ItemChanges;
  readonly #notes: ClientNotes;
  readonly #list: ItemList;
  readonly #rehearsals = new ClientRehearsals((clientId, message) => this.#links.send(clientId, message));
  readonly #acts: ItemActs;
  readonly #admission: ClientAdmission;
  readonly #checkIns: CheckIns;
  readonly #auditLimit: WindowLimit;
  readonly #listeners = new JumpListeners();
  readonly #extras: ((clientId: string, hello: Hello) => AcceptedExtras)[] = [];
  readonly #checkInVetoes: ((clientId: string) => boolean)[] = [];
  #readRecord: (clientId: string, record: string) => BorneRecord | undefined = () => undefined;
  #refusalRecord: (clientId: string) => string | undefined = () => undefined;
  #clientCount: number;
  #rules: ClientRules = DEFAULT_CLIENT_RULES;
  readonly #addresses: () => { host: string; port: number }[];
  #onRequest: (clientId: string, request: IncomingMessage, response: ServerResponse) => void = (_client, _request, response) =>
    void response.writeHead(404).end();
  /** Of connected clients, as each said in its `hello`; the authority is the one that it was given since. */
  readonly #software = new Map<string, ClientSoftware>();
  /** Clients that are given the site identity in force with their `accepted`, until their links are live. */
  readonly #givenAuthority = new Set<string>();
  /** The newest protocol that each connected client speaks. */
  readonly #protocols = new Map<string, number>();
  readonly groups: JumpGroups;
  readonly tokens: InstallerTokens;
  readonly #identity: SiteIdentity;
  readonly #leaf: LinkLeaf;
  readonly #dataTicketKeys: Buffer;
  readonly #listsTimer: NodeJS.Timeout;

  private constructor(options: JumpOptions, leaf: LinkLeaf) {
    const { store, identity, log } = options;
    this.#identity = identity;
    this.#store = store;
    this.#now = options.now ?? Date.now;
    this.#log = log;
    this.#addresses = () => options.addresses?.() ?? [];
    this.#leaf = leaf;
    this.#changes = new ItemChanges(this.#now());
    const common = { store, now: this.#now };
    this.#notes = new ClientNotes({ store, changes: this.#changes, written: (ids) => this.#list.index.refresh(ids), log });
    this.#clientCount = rows.countClients(store).total;
    this.#auditLimit = new WindowLimit({ windowMs: AUDIT_WINDOW_MS, perKey: 1, inAll: 60, now: this.#now });
    const ticketKeys = readTicketKeys(options.keysDir, this.#now());
    this.#dataTicketKeys = Buffer.from(hkdfSync('sha256', ticketKeys, '', 'bascule data links', ticketKeys.length));
    this.#links = new ControlLinks({
      directory: this.#directory(),
      tls: leaf.tls,
      ticketKeys,
      appliance: options.appliance,
      ...(options.version !== undefined && { version: options.version }),
      rehearsal: options.rehearsal,
      beats: () => this.#isPair,
      log,
      now: this.#now,
    });
    const changes = this.#changes;
    this.#list = new ItemList({ store, changes, notes: this.#notes, links: this.#links, rules: () => this.#rules });
    this.groups = new JumpGroups({ ...common, changes, index: this.#list.index, userName: options.userName });
    this.tokens = new InstallerTokens({ ...common, identity });
    this.#acts = this.#makeActs();
    this.#admission = this.#makeAdmission(identity);
    this.#checkIns = new CheckIns({
      isWanted: (clientId) => this.#checkInVetoes.some((veto) => veto(clientId)),
      end: (clientId) => void this.#links.send(clientId, { kind: 'check-in-over' }),
      now: this.#now,
    });
    leaf.onRenewed((tls) => this.#links.setTls(tls));
    this.#listsTimer = setTimeout(() => void this.listsReady(), LISTS_READY_AFTER_MS).unref();
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
    clearTimeout(this.#listsTimer);
    this.#leaf.close();
    this.#checkIns.close();
    await this.#links.close(hasSession);
    this.#list.index.close();
    this.#notes.close();
    this.#changes.close();
  }

  /** Takes over a connection with ALPN `bascule-link/1`; `head` is what base read of it. */
  acceptLink(socket: Socket, head: Uint8Array): void {
    this.#links.accept(socket, head);
  }

  /** A client's link came (`connected`) or went. At a link that came, `onClientSessions` follows. */
  onClientLink(listener: (clientId: string, connected: boolean) => void): void {
    this.#listeners.link.push(listener);
  }
  /** At every connect: the sessions the client still holds a process for. */
  onClientSessions(listener: (clientId: string, held: HeldSession[]) => void): void {
    this.#listeners.sessions.push(listener);
  }
  /** At every connect, after `onClientSessions`: the whole `hello`. */
  onClientHello(listener: (clientId: string, hello: Hello) => void): void {
    this.#listeners.hello.push(listener);
  }
  /** What goes with `accepted`; asked at every connect, so it must be quick. */
  addAcceptedExtras(provider: (clientId: string, hello: Hello) => AcceptedExtras): void {
    this.#extras.push(provider);
  }
  /** Who reads the signed records that clients bear; asked at every connect with one, so it must be quick. */
  readRecords(reader: (clientId: string, record: string) => BorneRecord | undefined): void {
    this.#readRecord = reader;
  }
  /** Who signs, for a client that is refused as revoked, that it was. */
  signRefusals(signer: (clientId: string) => string | undefined): void {
    this.#refusalRecord = signer;
  }
  /** The next clients by id, for what looks at all of them a few at a time. */
  rowsAfter(id: string, limit: number): ClientRow[] {
    return rows.clientsAfter(this.#store, id, limit);
  }
  /** How many connected clients said of their software what `matches` asks. */
  countOnline(matches: (software: ClientSoftware) => boolean): number {
    let count = 0;
    for (const software of this.#software.values()) if (matches(software)) count += 1;
    return count;
  }
  /** Who answers requests that clients make over mutual TLS beside their links; without it they find nothing. */
  serveRequests(handler: (clientId: string, request: IncomingMessage, response: ServerResponse) => void): void {
    this.#onRequest = handler;
  }
  /** Who knows how far each client is in the upgrade queue; it is asked for every client then. */
  showUpgrades(view: UpgradeView): void {
    this.#list.showUpgrades(view).catch((error: unknown) => this.#log.error({ err: error }, 'jump-lists-not-ready'));
  }
  /** The item's place in the queue or its state there changed. */
  noteUpgrade(clientId: string): void {
    this.#list.index.refresh([clientId]);
    this.#changes.note(clientId);
  }
  /** `keep`: somebody has something for this passive client to do, so that its check-in is not over; asked every few seconds while it is connected. */
  keepCheckIn(keep: (clientId: string) => boolean): void {
    this.#checkInVetoes.push(keep);
  }
  /** Heartbeat and check-ins of all clients (B104-B107); connected ones are told. Throws JUMP_CLIENT_RULES. */
  setClientRules(rules: ClientRules): void {
    checkClientRules(rules);
    const before = this.#rules;
    this.#rules = { ...rules };
    this.#links.setSilenceLimit(rules.offlineAfterSeconds);
    if (before.checkInHours === rules.checkInHours && before.toleratesDates === rules.toleratesDates) return;
    for (const [clientId] of this.#software) this.#tellSettings(clientId);
  }
  /** The site may be at other addresses now: connected clients are told. */
  addressesChanged(): void {
    for (const [clientId] of this.#software) this.#tellSettings(clientId);
  }
  /** What a connected client said about its software; `authority` is the one that it was given since. */
  softwareOf(clientId: string): ClientSoftware | undefined {
    return this.#software.get(clientId);
  }
  /** The newest protocol of control links that a connected client speaks. */
  protocolOf(clientId: string): number | undefined {
    return this.#protocols.get(clientId);
  }
  /** Every message of an accepted client but `hello`; none of a link that is held or was cut. */
  onClientMessage(listener: (clientId: string, message: ClientMessage) => void): void {
    this.#listeners.message.push(listener);
  }
  /** The client was revoked, deleted, or lost against another with its identity: its sessions end now. */
  onClientCut(listener: (clientId: string, reason: ClientCutReason) => void): void {
    this.#listeners.cut.push(listener);
  }
  /** Some Jump Items changed (rows, presence): lists are to be fetched again. Called ten times a second at most. */
  onItemsChanged(listener: () => void): void {
    this.#changes.onChange(listener);
  }
  /** The revision of now, and the ids of what changed after `since`; `ids` undefined: anything may have. */
  changedItems(since: number | undefined): { revision: number; ids: Set<string> | undefined } {
    return { revision: this.#changes.revision, ids: since === undefined ? undefined : this.#changes.since(since) };
  }
  /** Memberships, or the group of an item, changed: somebody may have lost the right to jump to an item. */
  onAccessChanged(listener: () => void): void {
    this.groups.onAccessChanged(listener);
  }
  onConflictsChanged(listener: () => void): void {
    this.#listeners.conflicts.push(listener);
  }

  /** Sends to the client's live link; false when it has none, or its buffer is full. */
  sendToClient(clientId: string, message: ToClient): boolean {
    return this.#links.send(clientId, message);
  }

  /** Whether the client is connected and can take part in a test of the standby. */
  canRehearse(clientId: string): boolean {
    return this.#rehearsals.isAble(clientId);
  }

  /** Tells a client to hold a second link to the standby, or that the test is over (wire 3.13); false when it cannot. What comes of it: `rehearsal-link` to `onClientMessage`. */
  rehearse(clientId: string, message: RehearsalMessage): boolean {
    return this.#rehearsals.tell(clientId, message);
  }

  isOnline(clientId: string): boolean {
    return this.#links.isOnline(clientId);
  }

  /** Jump Items that are connected, approved and open shells; one on this very machine first, then the one that came last. */
  connectedTargets(): JumpTarget[] {
    const own = (id: string) => (rows.isEnrolledBy(this.#store, id, LOCAL_TOKEN_NAME) ? 1 : 0);
    return this.#links
      .latestOnline(CONNECTED_TARGETS_MAX)
      .filter((id) => rows.clientById(this.#store, id)?.program === 'jump-client')
      .sort((one, other) => own(other) - own(one))
      .flatMap((id) => this.target(id) ?? [])
      .filter((target) => target.state === 'approved');
  }

  /** For the list: how many access sessions live on the client. */
  noteSessionCount(clientId: string, count: number): void {
    this.#list.noteSessionCount(clientId, count);
    this.#changes.note(clientId);
  }

  counts(): { online: number; total: number; waiting: number; conflicts: number } {
    const { index } = this.#list;
    const { total, waiting } = index.isReady ? index.counts(() => true) : rows.countClients(this.#store);
    return { total, waiting, online: this.#links.online, conflicts: this.#links.conflictCount };
  }

  /** How many items `mayList` allows, and of them those that one can jump to now. */
  async countsFor(mayList: MayList): Promise<{ online: number; total: number }> {
    await this.listsReady();
    const { online, total } = this.#list.index.counts(mayList);
    return { online, total };
  }

  /** Jump Clients as licences see them (B208): all that are not revoked, oldest first. */
  licensable(): rows.LicensableRow[] {
    return rows.licensableClients(this.#store);
  }
  licensableOne(id: string): rows.LicensableRow | undefined {
    return rows.licensableClient(this.#store, id);
  }
  approvedJumpClients(): number {
    return rows.countApprovedJumpClients(this.#store);
  }

  /** Searches, groups and counts can be answered. Made ready in the background after the start; waits for it. */
  async listsReady(): Promise<void> {
    await this.#list.index.ready();
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
      nextCheckInMs: this.#list.nextCheckInMs(row),
    };
  }

  /** The Jump Groups whose items the user may see and jump to. */
  groupIdsOfUser(userId: string): string[] {
    return this.groups.idsOfUser(userId);
  }

  /** GET jump/items: see `ItemList.items`. */
  items(since: number | undefined, mayList: MayList) {
    return this.#list.items(since, mayList);
  }

  /** GET jump/items/search: see `ItemList.search`. */
  search(query: ItemSearch, mayList: MayList) {
    return this.#list.search(query, mayList);
  }

  item(id: string): JumpItem | undefined {
    return this.#list.item(id);
  }

  /** What administrators do with items: see `ItemActs`. */
  changeItem(context: Context, id: string, change: Parameters<ItemActs['change']>[2]): JumpItem {
    return this.#acts.change(context, id, change);
  }
  approve(context: Context, id: string): JumpItem {
    return this.#acts.approve(context, id);
  }
  confirm(context: Context, id: string): JumpItem {
    return this.#acts.confirm(context, id);
  }
  revoke(context: Context, id: string): JumpItem {
    return this.#acts.revoke(context, id);
  }
  delete(context: Context, id: string): void {
    this.#acts.delete(context, id);
  }
  bulk(context: Context, request: BulkRequest): Promise<{ changed: number; skipped: number }> {
    return this.#acts.bulk(context, request);
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
    if (!this.#links.hasConflict(clientId)) throw notFound();
    const { name } = this.#acts.row(clientId);
    this.#store.transact(context, conflictDecided({ client: clientId, name, keep }), () => undefined);
    this.#links.decide(clientId, keep);
  }

  #makeActs(): ItemActs {
    return new ItemActs({
      store: this.#store,
      list: this.#list,
      changes: this.#changes,
      now: this.#now,
      settle: () => this.#notes.writeNow(),
      cut: (id, reason) => {
        this.#listeners.wasCut(id, reason);
        this.#links.cut(id);
        if (reason === 'revoked') return;
        this.#clientCount -= 1;
        this.#notes.forget(id);
      },
      admitted: (id) => this.#links.tellState(id, 'approved'),
      modeChanged: (id) => this.#tellSettings(id),
      accessChanged: () => this.groups.noteAccessChanged(),
    });
  }

  #makeAdmission(identity: SiteIdentity): ClientAdmission {
    return new ClientAdmission({
      store: this.#store,
      identity,
      notes: this.#notes,
      now: this.#now,
      listed: (clientId, name) => {
        this.#clientCount += 1;
        this.#acts.noteNames(clientId, name, name);
      },
      audit: (event, address) => this.#audit(event, address),
      rulesOf: (tokenId) => this.tokens.rulesOf(tokenId),
      readRecord: (clientId, record) => this.#readRecord(clientId, record),
      doubted: (clientId) => {
        this.#list.index.refresh([clientId]);
        this.#changes.note(clientId);
      },
    });
  }

  /** Whether clients may find the site elsewhere. */
  get #isPair(): boolean {
    return this.#addresses().length > 1;
  }

  /** The mode that an administrator chose, else the one it was installed with. */
  #settingsOf(clientId: string, software: ClientSoftware): ClientSettings {
    const row = rows.modeOf(this.#store, clientId);
    const mode = row === undefined || row.isReported === 0 ? software.mode : row.mode;
    const { checkInHours, toleratesDates } = this.#rules;
    const pair = this.#isPair ? { addresses: this.#addresses().slice(0, ADDRESSES_MAX), beatMs: CONTROL_BEAT_MS } : {};
    return { mode, checkInHours, toleratesDates, ...pair };
  }

  #tellSettings(clientId: string): void {
    const software = this.#software.get(clientId);
    if (software === undefined) return;
    const settings = this.#settingsOf(clientId, software);
    this.#links.send(clientId, { kind: 'settings', settings });
    if (settings.mode === 'passive') this.#checkIns.begin(clientId);
    else this.#checkIns.forget(clientId);
  }

  #audit(event: AuditEvent, address: string): void {
    if (!this.#auditLimit.take(address)) return;
    try {
      this.#store.transact({ ...SYSTEM, address }, event, () => undefined);
    } catch (error) {
      this.#log.warn({ err: error }, 'refusal-not-audited');
    }
  }

  #directory(): LinkDirectory {
    return {
      isKeyOf: (clientId, publicKey) => this.#admission.isKeyOf(clientId, publicKey),
      admit: (clientId, hello, publicKey, address) => this.#admission.admit(clientId, hello, publicKey, address),
      extras: (clientId, hello) => {
        const settings = hello.software && { settings: this.#settingsOf(clientId, hello.software) };
        const given: AcceptedExtras = Object.assign({}, settings, ...this.#extras.map((provider) => provider(clientId, hello)));
        if (given.authority !== undefined) this.#givenAuthority.add(clientId);
        return given;
      },
      request: (clientId, request, response) => this.#onRequest(clientId, request, response),
      enrol: (message, challenge, address) => this.#admission.enrol(message, challenge, address),
      renew: (clientId, certificate, publicKey) => this.#admission.renew(clientId, certificate, publicKey),
      refusalRecord: (clientId) => this.#refusalRecord(clientId),
      clientCount: () => this.#clientCount,
      linked: (clientId, hello) => this.#linked(clientId, hello),
      unlinked: (clientId) => this.#unlinked(clientId),
      conflictsChanged: (clientId) => {
        if (this.#links.hasConflict(clientId)) this.#audit(conflictSeen({ client: clientId }), clientId);
        this.#listeners.conflictsChanged();
      },
      replaced: (clientId) => this.#listeners.wasCut(clientId, 'replaced'),
      message: (clientId, message) => this.#listeners.received(clientId, message),
      refused: (event) => this.#audit(linkRefused(event), event.address),
    };
  }

  #linked(clientId: string, hello: Hello): void {
    this.#protocols.set(clientId, Math.max(...hello.versions));
    this.#rehearsals.linked(clientId, hello);
    const isGivenAuthority = this.#givenAuthority.delete(clientId);
    if (hello.software !== undefined) {
      const authority = isGivenAuthority ? this.#identity.fingerprintSha256 : hello.software.authority;
      this.#software.set(clientId, { ...hello.software, authority });
      if (this.#settingsOf(clientId, hello.software).mode === 'passive') this.#checkIns.begin(clientId);
    }
    this.#list.index.notePresence(clientId);
    this.#changes.note(clientId);
    this.#listeners.linked(clientId, hello);
  }

  #unlinked(clientId: string): void {
    this.#notes.noteSeen(clientId, this.#now());
    this.#software.delete(clientId);
    this.#protocols.delete(clientId);
    this.#rehearsals.unlinked(clientId);
    this.#checkIns.forget(clientId);
    this.#list.index.notePresence(clientId);
    this.#changes.note(clientId);
    this.#listeners.unlinked(clientId);
  }
}
