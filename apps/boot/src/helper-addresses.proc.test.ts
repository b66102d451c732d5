import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { NetworkScene, whyNoNetworkScene } from '@bascule/testkit/network-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const why = whyNoNetworkScene() ?? false;
const OTHER_USER = 12345;
type Reply = { ok: boolean; result?: unknown; error?: string };

describe('the helper on a machine of its own', { skip: why }, () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-helper-'));
  const socketPath = join(home, 'run', 'helper', 'helper.sock');
  let scene: NetworkScene;
  let helper: ChildProcess;

  async function startHelper(): Promise<void> {
    const main = join(import.meta.dirname, 'helper.ts');
    helper = scene.spawn('a', [process.execPath, main, '--socket', socketPath, '--gid', '0'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(helper, 'message');
  }
  before(async () => {
    mkdirSync(join(home, 'run', 'helper'), { recursive: true });
    chmodSync(home, 0o755);
    scene = new NetworkScene({
      a: ['10.9.0.1/24', 'fd09::1/64'],
      b: ['10.9.0.2/24', 'fd09::2/64'],
      c: ['10.9.0.3/24', 'fd09::3/64'],
    });
    await startHelper();
  });
  after(() => {
    helper.kill('SIGKILL');
    scene[Symbol.dispose]();
    rmSync(home, { recursive: true, force: true });
  });

  async function ask(verb: string, args: Record<string, unknown> = {}): Promise<Reply> {
    const connection = net.connect(socketPath);
    connection.write(`${JSON.stringify({ verb, ...args })}\n`);
    let answer = '';
    for await (const piece of connection.setEncoding('utf8')) answer += String(piece);
    return JSON.parse(answer) as Reply;
  }
  const shared = { device: 'eth0', address: '10.9.0.9' };
  const inSeconds = (seconds: number): string => String(bootClockMs() + seconds * 1_000);

  it('adds an address for as long as it is said, and the kernel drops it by itself', async () => {
    assert.deepEqual(await ask('address-add', { ...shared, prefix: '24', until: inSeconds(2.5) }), { ok: true, result: null });
    assert.equal(scene.has('a', shared.address), true);
    await waitUntil('the kernel has dropped it', () => !scene.has('a', shared.address), 10_000);
  });

  it('renews a life, and drops at once', async () => {
    for (const seconds of [2, 60]) await ask('address-add', { ...shared, prefix: '24', until: inSeconds(seconds) });
    const listed = (await ask('address-list')).result as {
      name: string;
      addresses: { address: string; lifeLeftSeconds: number; ours: boolean }[];
    }[];
    const here = listed.find(({ name }) => name === 'eth0')?.addresses ?? [];
    const { lifeLeftSeconds = 0, ours } = here.find(({ address }) => address === shared.address) ?? {};
    assert.ok(ours === true && lifeLeftSeconds > 50);
    assert.equal(here.find(({ address }) => address === '10.9.0.1')?.ours, false);
    assert.deepEqual(await ask('address-drop', shared), { ok: true, result: null });
    assert.equal(scene.has('a', shared.address), false);
  });

  it('announces an address, so that neighbours change their minds', async () => {
    for (const { address, prefix } of [
      { address: '10.9.0.9', prefix: '24' },
      { address: 'fd09::9', prefix: '64' },
    ]) {
      // c believes b.
      scene.ip('c', 'neighbour', 'replace', address, 'lladdr', scene.mac('b'), 'dev', 'eth0', 'nud', 'reachable');
      await ask('address-add', { device: 'eth0', address, prefix, until: inSeconds(60) });
      assert.deepEqual(await ask('announce', { device: 'eth0', address }), { ok: true, result: null });
      await waitUntil('c believes a', () => scene.neighbour('c', address) === scene.mac('a'));
      await ask('address-drop', { device: 'eth0', address });
    }
  });

  it('leaves alone what is not its own, also for renewing, announcing and dropping', async () => {
    const theirs = { device: 'eth0', address: '10.9.0.1' };
    for (const [verb, args, error] of [
      ['address-drop', theirs, "10.9.0.1 on eth0 is not an address of this program's"],
      ['announce', theirs, "10.9.0.1 on eth0 is not an address of this program's"],
      ['address-add', { ...theirs, prefix: '24', until: inSeconds(3) }, 'eth0 has 10.9.0.1 already, and not from this program'],
      [
        'address-add',
        { device: 'eth0', address: 'FD09:0::1', prefix: '64', until: inSeconds(3) },
        'eth0 has fd09::1 already, and not from this program',
      ],
    ] as const)
      assert.deepEqual(await ask(verb, args), { ok: false, error });
    assert.equal(scene.has('a', '10.9.0.1'), true);
  });

  it('remembers over a restart of its own what it added, and forgets what is gone', async () => {
    const other = { device: 'eth0', address: '10.9.0.8' };
    for (const one of [shared, other]) await ask('address-add', { ...one, prefix: '24', until: 'forever' });
    scene.ip('a', 'address', 'delete', '10.9.0.8/24', 'dev', 'eth0');
    const gone = once(helper, 'exit');
    helper.kill('SIGKILL');
    await gone;
    await startHelper();
    await ask('address-list');
    assert.equal((await ask('address-drop', other)).ok, false);
    assert.equal((await ask('address-drop', shared)).ok, true);
    assert.equal(scene.has('a', shared.address), false);
  });

  for (const [name, verb, args, error] of [
    [
      'an option as a device',
      'address-add',
      { device: '-4', address: '10.9.0.9', prefix: '24', until: 'forever' },
      /not the name of a network port/,
    ],
    [
      'a path as a device',
      'address-add',
      { device: '../lo', address: '10.9.0.9', prefix: '24', until: 'forever' },
      /not the name/,
    ],
    [
      'a device that is not there',
      'address-add',
      { device: 'eth7', address: '10.9.0.9', prefix: '24', until: 'forever' },
      /there is no network port eth7/,
    ],
    ['a host name', 'address-add', { device: 'eth0', address: 'localhost', prefix: '24', until: 'forever' }, /not an IP address/],
    [
      'an address with a mask',
      'address-add',
      { device: 'eth0', address: '10.9.0.9/8', prefix: '24', until: 'forever' },
      /not an IP address/,
    ],
    [
      'an address with a zone',
      'address-add',
      { device: 'eth0', address: 'fd09::9%eth0', prefix: '64', until: 'forever' },
      /not an IP address/,
    ],
    [
      'a second word',
      'address-add',
      { device: 'eth0', address: '10.9.0.9 dev lo', prefix: '24', until: 'forever' },
      /not an IP address/,
    ],
    ...[
      '127.0.0.2',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '169.254.1.1',
      '::1',
      'ff02::1',
      'fe80::1',
      '::ffff:10.0.0.1',
      '::',
    ].map(
      (address) =>
        [
          `the address ${address}`,
          'address-add',
          { device: 'eth0', address, prefix: '32', until: 'forever' },
          /none that a machine can have/,
        ] as const,
    ),
    ...['0', '7', '33', '-1', '24 ', '1e1', ''].map(
      (prefix) =>
        [
          `the prefix '${prefix}'`,
          'address-add',
          { device: 'eth0', address: '10.9.0.9', prefix, until: 'forever' },
          /prefix is not/,
        ] as const,
    ),
    ['a life that is over', 'address-add', { ...shared, prefix: '24', until: '1' }, /less than a second away, or past/],
    ['a life without end', 'address-add', { ...shared, prefix: '24', until: '999999999999999' }, /more than 600 s away/],
    ['a life of words', 'address-add', { ...shared, prefix: '24', until: 'forever; reboot' }, /neither/],
    ['a number as text', 'address-add', { ...shared, prefix: 24, until: 'forever' }, /prefix must be text/],
    ['a hook by its path', 'hook', { name: '../../bin/sh', direction: 'here' }, /not the name of a hook/],
    ['a direction that is an option', 'hook', { name: 'good', direction: '-c' }, /direction is neither|there is no/],
  ] as [string, string, Record<string, unknown>, RegExp][])
    it(`refuses ${name}`, async () => {
      const reply = await ask(verb, args);
      assert.equal(reply.ok, false);
      assert.match(reply.error ?? '', error);
    });

  it('runs hooks that root placed, and no others', async () => {
    assert.deepEqual(await ask('hook-list'), { ok: true, result: [] });
    assert.match((await ask('hook', { name: 'good', direction: 'here' })).error ?? '', /there is no folder/);
    const hooks = join(home, 'hooks');
    mkdirSync(hooks);
    const write = (name: string, script: string, mode = 0o755): string => {
      const file = join(hooks, name);
      writeFileSync(file, `#!/bin/sh\n${script}\n`);
      chmodSync(file, mode);
      return file;
    };
    const told = join(home, 'told');
    write('good', `echo "$@ $#" > ${told}; echo well; env | grep -c . >&2`);
    write('failing', 'echo no such rule >&2; exit 3');
    write('open', 'true', 0o777);
    write('plain', 'true', 0o644);
    chownSync(write('theirs', 'true'), OTHER_USER, 0);
    symlinkSync('/bin/true', join(hooks, 'link'));
    const listed = (await ask('hook-list')).result as { name: string; refused: string | null }[];
    assert.deepEqual(
      listed.filter(({ refused }) => refused === null).map(({ name }) => name),
      ['failing', 'good'],
    );
    assert.equal((await ask('hook', { name: 'good', direction: 'away' })).ok, true);
    assert.equal(readFileSync(told, 'utf8'), 'away 1\n');
    assert.match((await ask('hook', { name: 'failing', direction: 'here' })).error ?? '', /ended with 3: no such rule/);
    for (const name of ['open', 'plain', 'theirs', 'link'])
      assert.equal((await ask('hook', { name, direction: 'here' })).ok, false, name);
    // Whoever may write the folder decides what is in it.
    chownSync(hooks, OTHER_USER, 0);
    rmSync(told);
    assert.match((await ask('hook', { name: 'good', direction: 'here' })).error ?? '', /not a folder that root alone can write/);
    assert.equal(existsSync(told), false);
  });
});
