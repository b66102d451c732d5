/** What an appliance of a pair says in each state of it; a real one is in most of them for a moment only. */
import type {
  ApplianceHeader,
  EstablishPreview,
  FailoverState,
  PairCheck,
  PairConflict,
  RehearsalState,
  SideState,
} from '@bascule/protocol/api/failover.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;
export const SHARED_NAME = 'access.example.org';
export const PRIMARY_URL = 'https://bravo.example.org:8443';

function sideOf(change: Partial<SideState>): SideState {
  return {
    appliance: 'alpha',
    keySha256: '3fa1c07be2d94d10'.repeat(4),
    role: 'primary',
    history: 'h1',
    epoch: 7,
    version: '0.2.0',
    schema: 104,
    endpoint: { host: '192.0.2.11', port: 443 },
    clientsOnline: 412,
    sessions: 2,
    freeBytes: 81 * GIBIBYTE,
    clockOffsetMs: 0,
    ...change,
  };
}

const REHEARSAL_NONE: RehearsalState = {
  state: 'none',
  startedAtMs: null,
  endsAtMs: null,
  users: [],
  clients: [],
  steps: [],
  canBegin: true,
};

/** A primary whose backup follows at once. */
export function primaryState(change: Partial<FailoverState> = {}, nowMs = Date.now()): FailoverState {
  return {
    self: sideOf({}),
    peer: sideOf({
      appliance: 'bravo',
      role: 'backup',
      keySha256: 'b04d77e19ac2f356'.repeat(4),
      endpoint: { host: '192.0.2.12', port: 443 },
      clientsOnline: 0,
      sessions: 0,
      freeBytes: 79 * GIBIBYTE,
      clockOffsetMs: -38,
    }),
    peerState: 'reachable',
    lastContactAtMs: nowMs - 700,
    broken: null,
    settings: { mode: 'async', bytesPerSecond: 0, alarmLagSeconds: 60, backupOperations: false, automatic: false },
    copy: {
      state: 'following',
      newestChange: 48_211,
      copiedChange: 48_209,
      lagChanges: 2,
      lagSeconds: 0.1,
      databaseBytesLeft: 0,
      recordingBytesLeft: 3_565_158,
      fileBytesLeft: 0,
      bytesPerSecond: 11.2 * MEBIBYTE,
      secondsLeft: 1,
      lastCompletedAtMs: nowMs - 4 * SECOND_MS,
      lastComparedAtMs: nowMs - 9 * MINUTE_MS,
      stopped: null,
    },
    exposure: { changes: 2, seconds: 0.1, sessions: 0, recordingBytes: 3_565_158, fileBytes: 0, asOfMs: nowMs },
    alarms: [],
    conflict: null,
    witness: null,
    rehearsal: REHEARSAL_NONE,
    roles: [
      {
        atMs: nowMs - 3 * 24 * 60 * MINUTE_MS,
        appliance: 'alpha',
        role: 'primary',
        epoch: 7,
        by: 'ann',
        reason: 'swapped',
        lost: null,
      },
      {
        atMs: nowMs - 9 * 24 * 60 * MINUTE_MS,
        appliance: 'bravo',
        role: 'primary',
        epoch: 6,
        by: 'witness',
        reason: 'took-over',
        lost: { changes: 3, seconds: 0.4 },
      },
    ],
    archives: [],
    sharedName: SHARED_NAME,
    busy: null,
    preSharedKey: { isSet: true, checkValue: '7c41f09b', changedAtMs: nowMs - 60 * MINUTE_MS },
    nowMs,
    readOnly: null,
    liveSessions: [
      { user: 'ann', item: 'web-0001' },
      { user: 'bob', item: 'db-0007' },
    ],
    ...change,
  };
}

/** The same pair, seen from the backup: this appliance is alpha, bravo is the primary. */
export function backupState(change: Partial<FailoverState> = {}, nowMs = Date.now()): FailoverState {
  const { self, peer, ...rest } = primaryState({}, nowMs);
  return {
    ...rest,
    self: { ...self, role: 'backup', clientsOnline: 0, sessions: 0 },
    peer: { ...(peer ?? self), role: 'primary', clientsOnline: 412, sessions: 2 },
    ...change,
  };
}

const UNPAIRED = { peer: null, peerState: 'none', copy: null, exposure: null, lastContactAtMs: null } as const;
/** After a break the two still hear each other. */
const APART = { copy: null, exposure: null } as const;
const ALONE = { ...sideOf({}), role: 'single', clientsOnline: 412, endpoint: null, epoch: 0 } as const;

const CONFLICT: PairConflict = {
  kind: 'both-primary',
  sinceMs: Date.UTC(2026, 10, 21, 9, 14),
  sides: ['alpha', 'bravo'].map((appliance, index) => ({
    appliance,
    epoch: 7 + index,
    changes: 41 - 38 * index,
    sinceMs: Date.UTC(2026, 10, 21, 9, 10),
    events: Array.from({ length: 8 - 5 * index }, (_, event) => ({
      atMs: Date.UTC(2026, 10, 21, 9, 20 - event),
      actor: index === 0 ? 'ann' : 'bob',
      summary: event % 2 === 0 ? `Changed Jump Group Web servers ${event}` : `${index === 0 ? 'ann' : 'bob'} opened web-0001`,
    })),
    sessions: 2 - index,
    recordingBytes: 12 * MEBIBYTE,
  })),
  recommended: 'alpha',
};

/** One state of each kind, by name. */
export function states(nowMs = Date.now()): Record<string, FailoverState> {
  const broken = { peer: 'bravo', endpoint: { host: '192.0.2.12', port: 443 }, atMs: nowMs - 20 * MINUTE_MS, by: 'ann' };
  const lost = {
    changes: 12,
    seconds: 3.2,
    sessions: 1,
    recordingBytes: 5 * MEBIBYTE,
    fileBytes: 0,
    asOfMs: nowMs - 50 * SECOND_MS,
  };
  const { self } = backupState({}, nowMs);
  const { peer: other } = primaryState({}, nowMs);
  if (other === null) throw new Error('a primary has a peer');
  const copying = (primaryState({}, nowMs).copy ?? undefined) as NonNullable<FailoverState['copy']>;
  return {
    none: primaryState({ ...UNPAIRED, self: ALONE, roles: [] }, nowMs),
    'no-key': primaryState(
      { ...UNPAIRED, self: ALONE, roles: [], preSharedKey: { isSet: false, checkValue: null, changedAtMs: null } },
      nowMs,
    ),
    broken: primaryState({ ...APART, self: { ...ALONE, epoch: 7 }, peer: { ...other, role: 'read-only' }, broken }, nowMs),
    establishing: primaryState(
      {
        ...UNPAIRED,
        self: ALONE,
        roles: [],
        busy: { what: 'establish', step: 'prepare-sent', done: 3, total: 8, startedAtMs: nowMs - 12 * SECOND_MS },
      },
      nowMs,
    ),
    primary: primaryState({}, nowMs),
    'first-copy': primaryState(
      {
        copy: {
          ...copying,
          state: 'snapshot',
          copiedChange: 20_100,
          databaseBytesLeft: 310 * MEBIBYTE,
          recordingBytesLeft: 9_019_431_322,
          secondsLeft: 782,
          lastCompletedAtMs: null,
          lastComparedAtMs: null,
        },
      },
      nowMs,
    ),
    'primary-alone': primaryState(
      {
        peerState: 'unreachable',
        lastContactAtMs: nowMs - 95 * SECOND_MS,
        alarms: [{ code: 'peer-unreachable', sinceMs: nowMs - 90 * SECOND_MS, params: {} }],
        copy: {
          ...copying,
          state: 'stopped',
          lagChanges: 214,
          lagSeconds: 95.2,
          leftAsOfMs: nowMs - 95 * SECOND_MS,
          secondsLeft: null,
          stopped: { code: 'unreachable', text: 'The link ended.' },
        },
        exposure: { ...lost, changes: 214, seconds: 95.2 },
      },
      nowMs,
    ),
    backup: backupState({}, nowMs),
    'primary-unreachable': backupState(
      {
        peerState: 'unreachable',
        lastContactAtMs: nowMs - 50 * SECOND_MS,
        // The 50 s in which it was not heard are among them.
        exposure: { ...lost, seconds: 53.2 },
        copy: {
          ...copying,
          state: 'stopped',
          leftAsOfMs: nowMs - 50 * SECOND_MS,
          secondsLeft: null,
          stopped: { code: 'unreachable', text: 'The link ended.' },
        },
        peerSeenBy: { witnessAtMs: nowMs - 49 * SECOND_MS, clientsHere: 37, clientsHereAtMs: nowMs - 4 * SECOND_MS },
        witness: {
          endpoint: { host: 'witness.example.org', port: 7443 },
          state: 'connected',
          lastAnswerAtMs: nowMs - 400,
          leaseLeftMs: null,
          holder: 'bravo',
          peerInSync: false,
        },
        alarms: [{ code: 'peer-unreachable', sinceMs: nowMs - 45 * SECOND_MS, params: {} }],
      },
      nowMs,
    ),
    'read-only': backupState(
      {
        ...APART,
        self: { ...self, role: 'read-only' },
        peer: { ...other, role: 'single', clientsOnline: 412, sessions: 2 },
        broken,
        readOnly: 'broken',
      },
      nowMs,
    ),
    restored: primaryState({ self: { ...sideOf({}), role: 'read-only', epoch: 5 }, readOnly: 'restored' }, nowMs),
    superseded: primaryState(
      {
        self: { ...sideOf({}), role: 'read-only', epoch: 7 },
        readOnly: 'superseded',
        failed: {
          what: 'become-backup',
          code: 'FAILOVER_PEER_UNREACHABLE',
          text: 'The other appliance cannot be reached.',
          atMs: nowMs,
        },
      },
      nowMs,
    ),
    'both-primary': primaryState(
      { conflict: CONFLICT, alarms: [{ code: 'diverged', sinceMs: CONFLICT.sinceMs, params: {} }] },
      nowMs,
    ),
    'both-backup': backupState({ conflict: { ...CONFLICT, kind: 'both-backup', recommended: 'bravo' } }, nowMs),
    rehearsal: backupState(
      {
        rehearsal: {
          state: 'open',
          startedAtMs: nowMs - 2 * MINUTE_MS,
          endsAtMs: nowMs + 28 * MINUTE_MS,
          users: ['ann', 'bob'],
          clients: ['web-0001'],
          steps: [
            { code: 'copy', outcome: 'passed', text: 'A scratch copy of the site is made' },
            { code: 'open', outcome: 'passed', text: 'The copy opens as a site, and its migrations apply' },
            {
              code: 'name',
              outcome: 'failed',
              text: `The backup's certificate is not good for ${SHARED_NAME}: hand over the certificate too, or give the backup one.`,
            },
            { code: 'clients', outcome: 'passed', text: 'Connected to the scratch copy: web-0001.' },
            { code: 'session', outcome: 'running', text: 'A recorded session to one of the chosen Jump Clients' },
          ],
          canBegin: true,
        },
      },
      nowMs,
    ),
    automatic: primaryState(
      {
        settings: { mode: 'sync', bytesPerSecond: 20 * MEBIBYTE, alarmLagSeconds: 60, backupOperations: true, automatic: true },
        witness: {
          endpoint: { host: 'witness.example.org', port: 7443 },
          state: 'connected',
          lastAnswerAtMs: nowMs - 300,
          leaseLeftMs: 2640,
          holder: 'alpha',
          peerInSync: true,
        },
        archives: [{ id: 'ar1', atMs: nowMs - 9 * 24 * 60 * MINUTE_MS, reason: 'fixed', bytes: 412 * MEBIBYTE, changes: 3 }],
      },
      nowMs,
    ),
  };
}

const line = (code: string, outcome: PairCheck['outcome'], params: PairCheck['params'] = {}): PairCheck => ({
  code,
  outcome,
  text: `${code} is ${outcome}`,
  params,
});

/** What a look at the other appliance finds; `red`: the codes that are not in order. */
export function previewOf(red: readonly string[] = []): EstablishPreview {
  const outcome = (code: string) => (red.includes(code) ? 'red' : 'green');
  return {
    checks: [
      line('peer-answers', 'green', { host: '192.0.2.12', port: 443 }),
      line('not-itself', 'green'),
      line('key', outcome('key')),
      line('reverse-connection', outcome('reverse-connection'), { host: '192.0.2.11', port: 443 }),
      line('versions', 'green', { own: '0.2.0', peer: '0.2.0', version: 1 }),
      line('packages', 'amber', { own: '0.2.0', peer: '0.1.9' }),
      line('clock', 'green', { offsetMs: 12, uncertaintyMs: 3 }),
      line('a-check-of-later', 'green'),
      { ...line('certificate-name', 'red', { host: SHARED_NAME }), blocks: false },
    ],
    peer: { name: 'bravo', version: '0.2.0', keySha256: 'b04d77e19ac2f356'.repeat(4) },
    firstCopy: { databaseBytes: 310 * MEBIBYTE, recordingBytes: 9 * GIBIBYTE, fileBytes: 200 * MEBIBYTE, seconds: 812 },
    replaced: { users: 3, jumpItems: 14, sessions: 220, recordingBytes: GIBIBYTE },
  };
}

/** The header that goes with `state`. */
/** What the header says to whoever is chosen for a test of the standby. */
export function testOf(place: 'offered' | 'inside', nowMs = Date.now()): ApplianceHeader['rehearsal'] {
  return { place, standby: 'bravo', endsAtMs: nowMs + 28 * MINUTE_MS };
}

export function headerOf({ self, peer, peerState, broken, alarms, settings }: FailoverState): ApplianceHeader {
  const isHere = self.role === 'primary' || self.role === 'single';
  return {
    appliance: self.appliance,
    role: self.role,
    peer: peer === null || peerState === 'none' || broken !== null ? null : { name: peer.appliance, state: peerState },
    primaryUrl: isHere ? null : PRIMARY_URL,
    alarms: alarms.map(({ code }) => code),
    backupOperations: settings.backupOperations,
  };
}
