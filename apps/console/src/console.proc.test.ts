/** The console against a real appliance: login, lists, and a shell in a pseudo-terminal whose site is killed while keys are pressed. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { FarProgram, numberedText } from '@bascule/testkit/far-program.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { z } from 'zod';
import { bundledConsole, TestConsole } from './testing.ts';

const PASSWORD = 'a long enough password';
const KEYS = 1500;

let appliance: LaunchedAppliance;
let person: ApiClient;
let console: TestConsole;
let command: string[];

before(async () => {
  appliance = await launchAppliance();
  person = await ApiClient.pin(appliance.url);
  await person.takeOver(appliance.passwords.login, PASSWORD);
  const directory = join(appliance.directory, 'console-program');
  mkdirSync(directory);
  command = await bundledConsole(directory);
  console = new TestConsole(appliance.directory, command);
  await Promise.all(['alpha', 'alphabet'].map((name) => appliance.startJumpClient({ name })));
  await Promise.all(['alpha', 'alphabet'].map((name) => person.onlineItem(name)));
});
after(async () => {
  await appliance?.[Symbol.asyncDispose]();
});

test('a certificate that nobody confirmed is refused with its fingerprint; nothing is sent', async () => {
  const ran = await console.run(['login', appliance.url]);
  assert.equal(ran.code, 76);
  assert.match(ran.err, /[0-9a-f]{64}/);
  const wrong = await console.run(['login', appliance.url, '--fingerprint', 'ab'.repeat(32)]);
  assert.equal(wrong.code, 76);
});

test('login through the browser: a login session of its own, named after the machine; its secrets are the user’s alone', async () => {
  const said = await console.logIn(person, appliance.url);
  assert.match(said, /Logged in to https:\/\/localhost:\d+ as admin\./);
  const { sessions } = await person.call(
    'GET',
    'auth/sessions',
    z.object({ sessions: z.array(z.object({ userAgent: z.string() })) }),
  );
  assert.ok(sessions.some(({ userAgent }) => /^bascule \S+ on \S+/.test(userAgent)));
  assert.equal(statSync(join(console.home, 'logins.json')).mode & 0o777, 0o600);
  assert.equal(statSync(console.home).mode & 0o777, 0o700);
  const stored = JSON.parse(readFileSync(join(console.home, 'logins.json'), 'utf8')) as Record<string, { cookie: string }>;
  assert.ok(!said.includes(stored[new URL(appliance.url).origin]!.cookie));
});

test('a login that the person refuses ends at once', async () => {
  let code: string | undefined;
  const other = new TestConsole(join(appliance.directory, 'other'), command);
  const ran = await other.run(['login', appliance.url, '--fingerprint', await fingerprint()], (err) => {
    const shown = /code=([A-Z]{4}-[A-Z]{4})/.exec(err)?.[1];
    if (shown === undefined || code !== undefined) return;
    code = shown;
    void person.call('POST', `console/logins/by-code/${code}/decide`, z.unknown(), { grant: false });
  });
  assert.equal(ran.code, 77);
  assert.match(ran.err, /refused in the browser/);
});

test('ls lists, for people and for programs; about tells both builds', async () => {
  const [list, json, none] = await Promise.all([
    console.run(['ls']),
    console.run(['ls', 'alphabet', '--json']),
    console.run(['ls', 'zulu']),
  ]);
  assert.match(list.out, /^NAME +GROUP +LINK +STATE +VERSION +HOST\nalpha +- +online/);
  assert.deepEqual(
    (JSON.parse(json.out) as { name: string; online: boolean }[]).map(({ name, online }) => ({ name, online })),
    [{ name: 'alphabet', online: true }],
  );
  assert.match(none.err, /No Jump Item has 'zulu'/);
});

test('every key arrives once and in order across SIGKILL of the site and of base; ~. leaves, and the session is taken up again', async () => {
  using far = new FarProgram(KEYS, 0);
  const text = numberedText(KEYS);
  using first = console.open(['jump', 'alpha']);
  await first.untilPrompt();
  first.type(`exec sh ${join(far.directory, 'account.sh')}\r`);
  await first.until('START');
  const half = KEYS / 2;
  const typing = typeAll((key) => first.type(key), text.slice(0, half));
  await appliance.kill('site');
  await appliance.kill('relay');
  await appliance.kill('base');
  await typing;
  await waitUntil('the first half arrived', () => far.received().length >= half);
  first.type('\r~.');
  assert.equal(await first.exitCode(), 0);
  assert.match(first.text(), /You left alpha/);

  using second = console.open(['jump', 'alpha']);
  await second.until('Taking up your session');
  // The return before ~. was a key too.
  await typeAll((key) => second.type(key), text.slice(half + 1));
  await waitUntil('everything arrived', () => far.received().length >= KEYS);
  assert.equal(far.received().toString('latin1'), `${text.slice(0, half)}\r${text.slice(half + 1)}`);
  await second.exitCode();
});

test('the far shell’s exit code is given back, its size follows the terminal, and UTF-8 goes both ways', async () => {
  await person.onlineItem('alphabet');
  using shell = console.open(['jump', 'alphabet']);
  await shell.untilPrompt();
  shell.resize(101, 33);
  await waitUntil('the far terminal has the new size', async () => {
    shell.type('stty size\r');
    await delay(200);
    return shell.text().includes('33 101');
  });
  shell.type("printf '[%s]\\n' 'žluťoučký 🐎'\r");
  await shell.until('\n\x1b[?2004l\r[žluťoučký 🐎]');
  assert.doesNotMatch(shell.text(), /\r\r\n/, 'what came is written as it came');
  shell.type('exit 23\r');
  assert.equal(await shell.exitCode(), 23);
});

test('a certificate that changes later is refused and explained, or taken on the word of the site identity, as the site has said before', async () => {
  const settings = async (consoleTls: string) => {
    const before = await person.call('GET', 'fleet/settings', z.record(z.string(), z.unknown()));
    await person.call('PUT', 'fleet/settings', z.unknown(), { ...before, consoleTls });
    await console.run(['about']);
  };
  const changeCertificate = async () => {
    rmSync(join(appliance.paths.boxTls, 'web.pem'));
    await appliance.kill('base');
    await appliance.ready();
    person = await ApiClient.pin(appliance.url);
    await person.logIn('admin', PASSWORD);
  };
  await settings('site-identity');
  await changeCertificate();
  const vouched = await console.run(['ls', '--json']);
  assert.equal(vouched.code, 0, vouched.err);

  await settings('refuse');
  await changeCertificate();
  const refused = await console.run(['ls', '--json']);
  assert.equal(refused.code, 76);
  assert.match(
    refused.err,
    /another one than the one you confirmed[\s\S]*bascule login https:\/\/localhost:\d+ --fingerprint [0-9a-f]{64}/,
  );
  await console.logIn(person, appliance.url);
  assert.equal((await console.run(['ls', '--json'])).code, 0);
});

test('logout ends the login at the site', async () => {
  const ran = await console.run(['logout']);
  assert.equal(ran.code, 0);
  const again = await console.run(['ls']);
  assert.equal(again.code, 77);
  const { sessions } = await person.call(
    'GET',
    'auth/sessions',
    z.object({ sessions: z.array(z.object({ userAgent: z.string() })) }),
  );
  assert.ok(!sessions.some(({ userAgent }) => userAgent.startsWith('bascule ')));
});

async function fingerprint(): Promise<string> {
  const { X509Certificate } = await import('node:crypto');
  return new X509Certificate(String(person.agent.options.ca)).fingerprint256;
}

async function typeAll(type: (key: string) => void, text: string): Promise<void> {
  for (const key of text) {
    type(key);
    await delay(2);
  }
}
