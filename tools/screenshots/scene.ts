/** An appliance with something to see: users, groups, Jump Clients in several states, tokens, access sessions that ended and one that runs. */
import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createdUser, users } from '@bascule/protocol/api/auth.ts';
import { createdInstallerToken, jumpGroups, jumpItem } from '@bascule/protocol/api/jump.ts';
import { ApiClient } from '../../packages/testkit/src/api-client.ts';
import { CHECKOUT, launchAppliance, type LaunchedAppliance } from '../../packages/testkit/src/launch-appliance.ts';
import { launchJumpClient, type LaunchedJumpClient } from '../../packages/testkit/src/launch-jump-client.ts';
import { TestViewer } from '../../packages/testkit/src/viewer.ts';
import { waitUntil } from '../../packages/testkit/src/wait-until.ts';

export const PASSWORD = 'nine green bottles on a wall';
const QUIET_MS = 800;
const SIZE = { cols: 120, rows: 30 };
const HOUR_TOKEN = { validForHours: 24, uses: 1, groupId: null, approveEach: true };

export interface Scene extends AsyncDisposable {
  appliance: LaunchedAppliance;
  api: ApiClient;
  /** The access session whose recording is played. */
  played: string;
  /** Makes a second machine with the identity of the first: a conflict to look at. */
  duplicate(): Promise<void>;
}

export async function makeScene(): Promise<Scene> {
  await using undo = new AsyncDisposableStack();
  const appliance = undo.use(await launchAppliance());
  const api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  const groupIds = await makePeople(api);
  const extra: LaunchedJumpClient[] = [];
  undo.defer(async () => void (await Promise.all(extra.map((one) => one.stop()))));
  const client = await makeClients(appliance, api, groupIds, extra);
  const played = await makeSessions(api);
  const kept = undo.move();
  return {
    appliance,
    api,
    played,
    duplicate: async () => void extra.push(await copyOf(client, appliance, api)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Names this machine for the Jump Client that starts next; only when the script runs apart from the machine's own name. */
function nameMachine(name: string): void {
  if (process.env['SCREENSHOTS_APART'] === '1') execFileSync('hostname', [name]);
}

async function makePeople(api: ApiClient): Promise<Record<string, string>> {
  for (const [name, displayName, role] of [
    ['anna', 'Anna Brandt', 'user'],
    ['ben', 'Ben Visser', 'user'],
    ['carla', 'Carla Conti', 'administrator'],
  ] as const)
    await api.call('POST', 'users', createdUser, { name, displayName, role });
  const found = (await api.call('GET', 'users', users)).users;
  const idOf = (name: string) => found.find((user) => user.name === name)?.id;
  await api.send('PATCH', `users/${idOf('ben')}`, { disabled: true });
  for (const name of ['Web servers', 'Databases']) await api.send('POST', 'jump/groups', { name });
  const { groups } = await api.call('GET', 'jump/groups', jumpGroups);
  const groupIds = Object.fromEntries(groups.map((group) => [group.name, group.id]));
  await api.send('PATCH', `jump/groups/${groupIds['Web servers']}`, { memberIds: [idOf('anna')] });
  await api.send('PATCH', `jump/groups/${groupIds['Databases']}`, { memberIds: [idOf('anna'), idOf('ben')] });
  return groupIds;
}

/** Answers the client that is copied later; those the appliance does not stop by itself go into `extra`. */
async function makeClients(
  appliance: LaunchedAppliance,
  api: ApiClient,
  groupIds: Record<string, string>,
  extra: LaunchedJumpClient[],
): Promise<LaunchedJumpClient> {
  const started: LaunchedJumpClient[] = [];
  for (const [name, group, comment] of [
    ['web-01', 'Web servers', 'Front end, Rotterdam'],
    ['db-01', 'Databases', 'Primary'],
    ['db-02', 'Databases', 'Standby; patched on Thursdays'],
  ] as const) {
    nameMachine(name);
    started.push(await appliance.startJumpClient({ name }));
    const id = await api.onlineItem(name);
    await api.call('PATCH', `jump/items/${id}`, jumpItem, { groupId: groupIds[group], comment });
  }
  const { secret } = await api.call('POST', 'jump/tokens', createdInstallerToken, {
    ...HOUR_TOKEN,
    name: 'Build hosts, November',
    uses: 5,
  });
  const { token: late } = await api.call('POST', 'jump/tokens', createdInstallerToken, { ...HOUR_TOKEN, name: 'Trial' });
  await api.send('POST', `jump/tokens/${late.id}/revoke`, {});
  nameMachine('build-07');
  extra.push(await startClient(appliance, 'build-07', secret));
  await api.onlineItem('build-07');
  await started[2]!.stop();
  nameMachine('web-01');
  return started[1]!;
}

async function startClient(appliance: LaunchedAppliance, name: string, token: string): Promise<LaunchedJumpClient> {
  const home = join(appliance.directory, name);
  const client = launchJumpClient({
    name,
    token,
    home,
    url: `https://127.0.0.1:${appliance.port}`,
    node: process.execPath,
    main: join(CHECKOUT, 'apps', 'jump-client', 'src', 'main.ts'),
  });
  await client.enrolled();
  return client;
}

/** A machine that was copied together with its Jump Client. */
async function copyOf(client: LaunchedJumpClient, appliance: LaunchedAppliance, api: ApiClient): Promise<LaunchedJumpClient> {
  nameMachine('db-01-clone');
  const name = 'copy';
  cpSync(client.home, join(appliance.directory, name), { recursive: true, filter: (source) => !source.endsWith('.sock') });
  const copy = await startClient(appliance, name, '');
  await waitUntil('the conflict is seen', async () => (await api.send('GET', 'jump/conflicts')).body.includes('db-01-clone'));
  nameMachine('web-01');
  return copy;
}

/** Access sessions with different ends; answers the one worth playing. */
async function makeSessions(api: ApiClient): Promise<string> {
  const web = await api.onlineItem('web-01');
  const database = await api.onlineItem('db-01');
  const played = await api.openSession(web, SIZE);
  await work(api, played, [
    'cd /etc && ls --color=always -ld apt cron.d default init.d ssh* 2>/dev/null',
    'head -n 4 os-release',
    `for n in {1..8}; do printf '\\e[3%dm*\\e[0m step %d of 8 done\\n' $n $n; sleep 0.3; done`,
    'exit',
  ]);
  await api.endedSession(played);
  const failed = await api.openSession(database, SIZE);
  await work(api, failed, ['exit 3']);
  await api.endedSession(failed);
  const ended = await api.openSession(database, SIZE);
  await work(api, ended, ['uptime']);
  await api.send('POST', `access-sessions/${ended}/end`, {});
  await api.endedSession(ended);
  return played;
}

async function work(api: ApiClient, session: string, commands: string[]): Promise<void> {
  using viewer = new TestViewer(api, session, SIZE);
  await viewer.until('the shell says something', () => viewer.length > 0);
  await quiet(() => viewer.length);
  for (const command of commands) {
    viewer.type(`${command}\r`);
    await quiet(() => viewer.length);
  }
}

/** Waits until `measure` has stayed the same for a while: the far program has said what it had to say. */
export async function quiet(measure: () => unknown): Promise<void> {
  for (let before: unknown = Symbol('nothing yet'); ;) {
    const now = await measure();
    if (now === before) return;
    before = now;
    await delay(QUIET_MS);
  }
}
