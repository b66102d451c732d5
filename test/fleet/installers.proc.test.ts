/**
 * Every Linux installer on a real Debian: installed against a real appliance, connected, a shell opened in it, removed without a trace.
 * The root is made once per machine (about a minute or three, with a network) and kept in the cache of whoever runs the tests.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { createdInstaller, installers, type InstallerFormat } from '@bascule/protocol/api/installers.ts';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { DebianRoot, prepareDebianRoot, whyNoDebianRoot } from '@bascule/testkit/debian-root.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const PROGRAM = '/opt/bascule-jump-client';
/** The longest on a busy machine; unloaded it is ten seconds. */
const LIMIT_MS = 240_000;

let problem = whyNoDebianRoot();
if (problem === undefined) {
  const made = await prepareDebianRoot();
  if ('problem' in made) problem = made.problem;
  else if (made.seconds > 0) process.stdout.write(`# the Debian root was made in ${made.seconds} s\n`);
}
const how = { skip: problem ?? false, timeout: LIMIT_MS };

let appliance: LaunchedAppliance;
let api: ApiClient;
let root: DebianRoot;
let untouched: string[];

before(async () => {
  if (problem !== undefined) return;
  appliance = await launchAppliance();
  api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, 'correct horse battery staple');
  root = await DebianRoot.start();
  // What our package depends on would stay as it is on any Debian that has it already.
  untouched = await root.files();
});
after(async () => {
  await root?.[Symbol.asyncDispose]();
  await appliance?.[Symbol.asyncDispose]();
});

async function makeInstaller(name: string, more: object = {}) {
  const defaults = {
    program: 'jump-client',
    name,
    validForHours: 1,
    uses: 5,
    groupId: null,
    approveEach: false,
    mode: 'active',
    tags: [],
    comment: '',
    isGeneric: false,
    version: 'current',
  };
  return await api.call('POST', 'installers', createdInstaller, { ...defaults, ...more });
}

/** Puts a file of the appliance into the root. */
async function fetchInto(path: string, inside: string): Promise<void> {
  const { status, body } = await api.send('GET', path);
  assert.equal(status, 200, body.toString('utf8', 0, 300));
  writeFileSync(root.path(inside), body);
}

async function fileInto(id: string, format: InstallerFormat, inside: string): Promise<void> {
  await fetchInto(`installers/${id}/files/${format}`, inside);
}

/** The one client that is online. */
async function onlineClient() {
  return await waitUntil('the client is online', async () => {
    const { items } = await api.call('GET', 'jump/items', jumpItems);
    return items.find((item) => item.online);
  });
}

async function noneOnline(): Promise<void> {
  await waitUntil('no client is online', async () => {
    const { items } = await api.call('GET', 'jump/items', jumpItems);
    return !items.some((item) => item.online);
  });
}

/** Opens a shell through the appliance, in which a command finds that it is in that root; gives the client. */
async function checkShell() {
  const client = await onlineClient();
  const session = await api.openSession(client.id);
  using viewer = new TestViewer(api, session);
  viewer.type(
    `echo in-$((40+2))-$(id -un) "$LD_LIBRARY_PATH" "$BASCULE_TOKEN$BASCULE_KEY" $(test -x ${PROGRAM}/bascule-jump-client && echo here); exit\n`,
  );
  await api.endedSession(session);
  assert.match(viewer.text(), /in-42-root\s+here/);
  return client;
}

async function forget(clientId: string): Promise<void> {
  await api.call('POST', `jump/items/${clientId}/delete`, z.unknown(), {});
}

/** Nothing is left: no file, no process. */
async function checkUntouched(): Promise<void> {
  const left = await root.files();
  const without = (lines: string[], others: string[]) => {
    const known = new Set(others);
    return lines.filter((line) => !known.has(line));
  };
  assert.deepEqual({ came: without(left, untouched), went: without(untouched, left) }, { came: [], went: [] });
  await waitUntil('nothing runs in the root', async () => (await root.processes()).length === 0);
}

test('the one-liner: a system without libatomic, connected, a shell, removed by its own command', how, async () => {
  const made = await makeInstaller('by one line', { tags: ['blue'], comment: 'from the wizard' });
  const said = await root.must(['sh', '-c', made.installCommand]);
  assert.match(said, /There is no systemd here: start \/opt\/bascule-jump-client\/bascule-jump-client at boot yourself/);
  assert.ok(!said.includes(made.key));
  const client = await checkShell();
  assert.deepEqual([client.tags, client.comment, client.mode], [['blue'], 'from the wizard', 'active']);
  assert.match(await root.must(['bascule-client', 'status']), /connected|accepted|approved/i);
  await root.must(['bascule-jump-client', 'uninstall']);
  await noneOnline();
  await checkUntouched();
  await forget(client.id);
});

test('the .tar.gz: installed and removed by its own script', how, async () => {
  const { installer } = await makeInstaller('by archive', { mode: 'active' });
  await fileInto(installer.id, 'tar.gz', '/tmp/installer.tar.gz');
  await root.must(['sh', '-c', 'cd /tmp && tar -xzf installer.tar.gz']);
  const folder = `/tmp/bascule-jump-client-${installer.version}`;
  await root.must(['sh', `${folder}/install.sh`]);
  const client = await checkShell();
  await root.must(['sh', `${folder}/install.sh`, '--uninstall']);
  await noneOnline();
  await root.must(['rm', '-r', folder, '/tmp/installer.tar.gz']);
  await checkUntouched();
  await forget(client.id);
});

test('the .deb: apt brings what it depends on; over itself it keeps the identity; purged without a trace', how, async () => {
  const { installer } = await makeInstaller('by package');
  await fileInto(installer.id, 'deb', '/tmp/installer.deb');
  const apt = ['apt-get', '-q', '-y', 'install', '/tmp/installer.deb'];
  const said = await root.must(apt);
  assert.match(said, /Setting up libatomic1/);
  assert.match(said, /this machine is enrolled/);
  assert.match(said, /systemd does not run here: start \/opt\/bascule-jump-client\/bascule-jump-client yourself/);
  root.spawn([`${PROGRAM}/bascule-jump-client`]);
  const client = await checkShell();
  await root.must(['dpkg', '-i', '/tmp/installer.deb']);
  assert.equal((await checkShell()).id, client.id, 'the same client after an installation over itself');
  const { items } = await api.call('GET', 'jump/items', jumpItems);
  assert.equal(items.length, 1);
  await root.must(['dpkg', '--purge', 'bascule-jump-client']);
  await noneOnline();
  await root.must(['apt-get', '-q', '-y', 'autoremove', '--purge']);
  await root.must(['rm', '/tmp/installer.deb']);
  await checkUntouched();
  await forget(client.id);
});

test(
  'generic ones beside each other: without a key there is no identity; Jumpoint and console come by .deb too',
  how,
  async () => {
    const made = await makeInstaller('for images', { isGeneric: true });
    const jumpoint = await makeInstaller('a gateway', { program: 'jumpoint', isGeneric: true });
    const { version } = made.installer;
    await fileInto(made.installer.id, 'deb', '/tmp/generic.deb');
    await fileInto(jumpoint.installer.id, 'deb', '/tmp/jumpoint.deb');
    await fetchInto(`downloads/bascule-console_${version}_amd64.deb`, '/tmp/console.deb');
    const files = ['/tmp/generic.deb', '/tmp/jumpoint.deb', '/tmp/console.deb'];
    const said = await root.must(['apt-get', '-q', '-y', 'install', ...files]);
    assert.match(said, /no key came with this package: run 'bascule-jump-client enrol'/);
    const program = root.spawn([`${PROGRAM}/bascule-jump-client`], {}, 'pipe');
    await waitUntil(
      'it says that it waits',
      () =>
        new Promise<boolean>((done) =>
          program.stderr!.once('data', (data: Buffer) => done(data.includes('waits for an installer key'))),
        ),
    );
    assert.equal((await root.run(['test', '-e', `${PROGRAM}/state`])).code, 1, 'no state before there is a key');
    const wrong = await root.run(['bascule-jump-client', 'enrol'], { input: 'bjt1.nonsense\n' });
    assert.notEqual(wrong.code, 0);
    await root.must(['bascule-jump-client', 'enrol'], { input: `${made.key}\n` });
    const client = await checkShell();
    root.spawn(['bascule-jumpoint'], { BASCULE_KEY: jumpoint.key });
    const gateway = await waitUntil('the Jumpoint is online', async () => {
      const { items } = await api.call('GET', 'jump/items', jumpItems);
      return items.find((item) => item.online && item.program === 'jumpoint');
    });
    assert.match(await root.must(['bascule', '--help']), /bascule login/);
    await root.must(['dpkg', '--purge', 'bascule-jump-client', 'bascule-jumpoint', 'bascule-console']);
    await noneOnline();
    await root.must(['apt-get', '-q', '-y', 'autoremove', '--purge']);
    await root.must(['rm', ...files]);
    await checkUntouched();
    await forget(client.id);
    await forget(gateway.id);
    const { installers: list } = await api.call('GET', 'installers', installers);
    assert.equal(list.find(({ id }) => id === made.installer.id)?.usesLeft, 4);
  },
);
