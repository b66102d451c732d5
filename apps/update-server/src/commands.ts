/** Every command but `serve`: works on the state, also while the server runs. Each prints plain lines. */
import { readFile } from 'node:fs/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { check, wrong, type CommandLine } from './options.ts';
import { Registry, type NewAppliance } from './registry.ts';
import * as events from './server-events.ts';
import * as rows from './server-store.ts';

const LEDGER_LINES = 100;
const DEFAULT_MAIL_PORT = { tls: 465, starttls: 587, none: 25 } as const;

export interface CommandParts {
  store: Store;
  mailer: Mailer;
  context: Context;
  now: () => number;
  say(line: string): void;
}

type Command = (line: CommandLine, parts: CommandParts) => void | Promise<void>;

const COMMANDS: Record<string, Command> = {
  'appliance add': addAppliance,
  'appliance change': changeAppliance,
  'appliance list': listAppliances,
  'appliance show': showAppliance,
  'appliance remove': removeAppliance,
  'schedule add': addSchedule,
  'schedule remove': removeSchedule,
  'schedule list': listSchedule,
  ledger: showLedger,
  'ledger forget': forgetDownload,
  'mail set': setMail,
  'mail show': showMail,
  'mail test': testMail,
  'mail off': switchMailOff,
};

/** The command that `line` names. Throws USAGE_WRONG when there is none. */
export function commandOf(line: CommandLine): Command {
  const [first = '', second = ''] = line.words;
  const command = COMMANDS[`${first} ${second}`] ?? (second === '' ? COMMANDS[first] : undefined);
  if (command === undefined)
    throw wrong(line.words.length === 0 ? 'A command is missing' : `There is no command '${line.words.join(' ')}'`);
  return command;
}

function addAppliance(line: CommandLine, { store, context, now, say }: CommandParts): void {
  const registry = new Registry({ store, now, registration: 'closed' });
  const added = registry.add(context, {
    name: line.required('name', check.name),
    publicKey: line.required('key', check.publicKey),
    ring: line.optional('ring', check.ring) ?? '',
    holder: line.optional('holder', check.holder) ?? '',
    contact: line.optional('contact', check.contact) ?? '',
    language: line.optional('language', check.language) ?? 'en',
    maintainedUntilMs: line.optional('maintained-until', check.maintainedUntil) ?? null,
  });
  say(`Registered ${added.name} (${added.id.slice(0, 12)}).`);
}

function changeAppliance(line: CommandLine, { store, context, say }: CommandParts): void {
  const before = named(line, store);
  const until = line.optional('maintained-until', check.maintainedUntil);
  const given: Partial<NewAppliance> = {
    name: line.optional('name', check.name),
    ring: line.optional('ring', check.ring),
    holder: line.optional('holder', check.holder),
    contact: line.optional('contact', check.contact),
    language: line.optional('language', check.language),
  };
  const after = { ...before, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
  if (until !== undefined) after.maintainedUntilMs = until;
  const fields = ['name', 'ring', 'holder', 'contact', 'language', 'maintainedUntilMs'] as const;
  const changed = fields.filter((field) => before[field] !== after[field]);
  if (changed.length === 0) throw wrong('Nothing is to be changed');
  if (changed.includes('name') && rows.applianceByName(store, after.name) !== undefined)
    throw wrong(`There is an appliance named ${after.name} already`);
  const changes = changed
    .map((field) => `${field} from ${JSON.stringify(before[field])} to ${JSON.stringify(after[field])}`)
    .join(', ');
  store.transact(context, events.applianceChanged({ appliance: before.id, name: before.name, changes }), (tx) =>
    rows.writeAppliance(tx, after),
  );
  say(`Changed ${after.name}.`);
}

function listAppliances(_line: CommandLine, { store, say }: CommandParts): void {
  const appliances = rows.listAppliances(store);
  if (appliances.length === 0) say('No appliance is registered.');
  for (const appliance of appliances)
    say(
      [
        appliance.name,
        appliance.ring === '' ? 'no ring' : `ring ${appliance.ring}`,
        appliance.maintainedUntilMs === null ? 'no end of maintenance' : `maintained until ${day(appliance.maintainedUntilMs)}`,
        appliance.seenAtMs === null ? 'never asked' : `asked ${instant(appliance.seenAtMs)}`,
      ].join('  ·  '),
    );
}

function showAppliance(line: CommandLine, { store, say }: CommandParts): void {
  const appliance = named(line, store);
  const installed =
    appliance.installed === null ? undefined : (JSON.parse(appliance.installed) as { base: string; site: string });
  const entries: [string, string][] = [
    ['Name', appliance.name],
    ['Id', appliance.id],
    ['Public key', appliance.publicKey],
    ['Ring', appliance.ring || '–'],
    ['Licence holder', appliance.holder || '–'],
    ['Contact', appliance.contact === '' ? '–' : `${appliance.contact} (${appliance.language})`],
    ['Maintained until', appliance.maintainedUntilMs === null ? 'no end' : day(appliance.maintainedUntilMs)],
    ['Registered', instant(appliance.registeredAtMs)],
    ['Asked last', appliance.seenAtMs === null ? 'never' : instant(appliance.seenAtMs)],
    ['Installed then', installed === undefined ? '–' : `base ${installed.base}, site ${installed.site}`],
  ];
  for (const [label, value] of entries) say(`${`${label}:`.padEnd(18)}${value}`);
  for (const entry of rows.listSchedule(store).filter(({ applianceId }) => applianceId === appliance.id))
    say(`Schedule:         ${entry.package} ${entry.version} from ${instant(entry.fromMs)}`);
}

function removeAppliance(line: CommandLine, { store, context, say }: CommandParts): void {
  const { id, name } = named(line, store);
  store.transact(context, events.applianceRemoved({ appliance: id, name }), (tx) => rows.removeAppliance(tx, id));
  say(`Removed ${name}; what it downloaded stays in the ledger.`);
}

/** Which release for whom, as both schedule commands name it. */
function scheduleEntry(line: CommandLine, store: Store): Omit<rows.ScheduleEntry, 'id' | 'fromMs'> & { who: string } {
  const name = line.optional('appliance', check.name);
  const ring = line.optional('ring', check.ring);
  const all = line.switches.has('all');
  if ([name, ring, all || undefined].filter((given) => given !== undefined && given !== '').length !== 1)
    throw wrong('Give one of --appliance NAME, --ring RING and --all');
  const appliance = name === undefined ? undefined : byName(name, store);
  return {
    package: line.required('package', check.kind),
    version: line.required('version', check.version),
    applianceId: appliance?.id ?? null,
    ring: ring ?? null,
    who: appliance?.name ?? (ring === undefined ? 'all appliances' : `ring ${ring}`),
  };
}

function addSchedule(line: CommandLine, { store, context, now, say }: CommandParts): void {
  const { who, ...entry } = scheduleEntry(line, store);
  const fromMs = line.required('from', check.date);
  const from = instant(fromMs);
  const event = events.scheduleAdded({ package: entry.package, version: entry.version, who, fromMs, from });
  store.transact(context, event, (tx) => rows.addSchedule(tx, { ...entry, fromMs }, now()));
  say(
    `${entry.package} ${entry.version} is offered to ${who} from ${from}. Whoever the schedule of ${entry.version} does not name is not offered it.`,
  );
}

function removeSchedule(line: CommandLine, { store, context, say }: CommandParts): void {
  const { who, ...entry } = scheduleEntry(line, store);
  store.transact(context, events.scheduleRemoved({ package: entry.package, version: entry.version, who }), (tx) => {
    if (!rows.removeSchedule(tx, entry)) throw wrong(`${entry.package} ${entry.version} is not scheduled for ${who}`);
  });
  const rest = rows.listSchedule(store).filter((other) => other.package === entry.package && other.version === entry.version);
  say(
    rest.length > 0
      ? `${entry.package} ${entry.version} is no longer scheduled for ${who}.`
      : `${entry.package} ${entry.version} has no schedule any more: it is offered to all, unless the server runs with --scheduled-only.`,
  );
}

function listSchedule(_line: CommandLine, { store, say }: CommandParts): void {
  const names = new Map(rows.listAppliances(store).map(({ id, name }) => [id, name]));
  const schedule = rows.listSchedule(store);
  if (schedule.length === 0) say('Nothing is scheduled.');
  for (const { package: kind, version, applianceId, ring, fromMs } of schedule) {
    const who =
      applianceId === null ? (ring === null ? 'all appliances' : `ring ${ring}`) : (names.get(applianceId) ?? applianceId);
    say(`${kind} ${version}  ·  ${who}  ·  from ${instant(fromMs)}`);
  }
}

function showLedger(line: CommandLine, { store, say }: CommandParts): void {
  const name = line.optional('appliance', check.name);
  const limit = line.optional('limit', check.limit) ?? LEDGER_LINES;
  const downloads = rows.listDownloads(store, limit, name === undefined ? undefined : byName(name, store));
  if (downloads.length === 0) say('Nothing was downloaded.');
  for (const { atMs, applianceName, address, way, target, bytes, isWhole } of downloads)
    say(
      [
        instant(atMs),
        applianceName || 'unknown',
        way === 'bundle' ? `download key, from ${address}` : `online, from ${address}`,
        target,
        `${bytes} bytes${isWhole ? '' : ' (a part)'}`,
      ].join('  ·  '),
    );
}

function forgetDownload(line: CommandLine, { store, context, say }: CommandParts): void {
  const { id, name } = byName(line.required('appliance', check.name), store);
  const target = line.required('target', check.target);
  store.transact(context, events.downloadForgotten({ appliance: id, name, target }), (tx) => {
    if (rows.forgetDownloads(tx, id, target) === 0) throw wrong(`${name} has not downloaded ${target}`);
  });
  say(`${name} may download ${target} again.`);
}

async function setMail(line: CommandLine, { mailer, context, say }: CommandParts): Promise<void> {
  const security = line.optional('security', check.security) ?? 'starttls';
  const passwordFile = line.optional('password-file', check.file);
  const password = passwordFile === undefined ? undefined : await readFile(passwordFile, 'utf8').catch(() => undefined);
  if (passwordFile !== undefined && password === undefined) throw wrong(`${passwordFile} cannot be read`);
  mailer.change(context, {
    isOn: true,
    host: line.required('host', check.host),
    port: line.optional('port', check.port) ?? DEFAULT_MAIL_PORT[security],
    security,
    certificateSha256: line.optional('pin', check.sha256) ?? '',
    account: line.optional('account', check.name) ?? '',
    from: line.required('from', check.email),
    recipients: [line.required('to', check.email)],
    language: line.optional('language', check.language) ?? 'en',
    ...(password !== undefined && { password: password.replace(/\r?\n$/, '') }),
  });
  say('Saved. To try it: npm run update-server -- mail test');
}

function showMail(_line: CommandLine, { mailer, say }: CommandParts): void {
  const { settings, lastSent, lastFailure, waiting } = mailer.settings();
  say(
    settings.isOn
      ? `Mail goes to ${settings.host}:${settings.port} (${settings.security}), from ${settings.from}; tests go to ${settings.recipients.join(', ')}.`
      : 'Mail is off.',
  );
  if (lastSent !== null) say(`Sent last: ${instant(lastSent.atMs)}  ${lastSent.subject}`);
  if (lastFailure !== null) say(`Failed last: ${instant(lastFailure.atMs)}  ${lastFailure.subject}  ·  ${lastFailure.message}`);
  if (waiting > 0) say(`Waiting: ${waiting}`);
}

async function testMail(_line: CommandLine, { mailer, context, say }: CommandParts): Promise<void> {
  await mailer.test(context);
  say('Sent. Look for it in the mailbox.');
}

function switchMailOff(_line: CommandLine, { mailer, context, say }: CommandParts): void {
  const { hasPassword: _hasPassword, ...settings } = mailer.settings().settings;
  mailer.change(context, { ...settings, isOn: false });
  say('Mail is off; nothing waits any more.');
}

/** The appliance that the third word names. */
function named(line: CommandLine, store: Store): rows.Appliance {
  const [, , name] = line.words;
  if (name === undefined) throw wrong('Name the appliance');
  return byName(name, store);
}

function byName(name: string, store: Store): rows.Appliance {
  const appliance = rows.applianceByName(store, name);
  if (appliance !== undefined) return appliance;
  throw new AppError(
    'not-found',
    'APPLIANCE_NAME_UNKNOWN',
    `No appliance is named ${name}; see: npm run update-server -- appliance list`,
  );
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
