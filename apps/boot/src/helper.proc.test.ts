import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CONNECTIONS_MAX, HELPER_VERSION, LINE_MAX_BYTES } from './helper.ts';

/** A group and a user that exist on every Linux and are not the tests' own. */
const SERVICE_GROUP = 65534;
const OTHER_USER = 12345;
const isRoot = process.getuid?.() === 0;

describe('the helper', { skip: isRoot ? false : 'needs root: the helper is a program of root' }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-helper-'));
  const socketPath = join(directory, 'helper', 'helper.sock');
  let helper: ChildProcess;

  before(async () => {
    chmodSync(directory, 0o755);
    mkdirSync(join(directory, 'helper'));
    chmodSync(join(directory, 'helper'), 0o750);
    chownSync(join(directory, 'helper'), 0, SERVICE_GROUP);
    const main = join(import.meta.dirname, 'helper.ts');
    helper = spawn(process.execPath, [main, '--socket', socketPath, '--gid', String(SERVICE_GROUP)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(helper, 'message');
  });
  after(() => {
    helper.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  async function ask(text: string): Promise<unknown> {
    const connection = net.connect(socketPath);
    connection.write(text);
    let answer = '';
    for await (const piece of connection.setEncoding('utf8')) answer += String(piece);
    return JSON.parse(answer);
  }

  it('describes itself', async () => {
    const { ok, result } = (await ask('{"verb":"describe"}\n')) as { ok: boolean; result: Record<string, unknown> };
    assert.deepEqual([ok, result['version'], result['uid']], [true, HELPER_VERSION, 0]);
    assert.deepEqual(result['verbs'], [
      'describe',
      'address-list',
      'address-add',
      'address-drop',
      'announce',
      'hook-list',
      'hook',
      'route-list',
      'route-add',
      'route-drop',
      'host-look',
      'host-name',
      'resolver',
    ]);
  });

  for (const [name, line, error] of [
    ['an unknown verb', '{"verb":"reboot"}', 'verb is not one of the list'],
    ['a verb that every object has', '{"verb":"constructor"}', 'verb is not one of the list'],
    ['no verb', '{}', 'verb is not one of the list'],
    ['an extra argument', '{"verb":"describe","path":"/etc/shadow"}', "an argument is not one of describe's"],
    ['an array', '["describe"]', 'the request is not an object'],
    ['what is not JSON', 'describe', 'the request is not JSON'],
    [
      'a line that is too long',
      `{"verb":"describe"}${' '.repeat(LINE_MAX_BYTES)}`,
      `the request is longer than ${LINE_MAX_BYTES} bytes`,
    ],
  ] as const) {
    it(`refuses ${name}`, async () => assert.deepEqual(await ask(`${line}\n`), { ok: false, error }));
  }

  it('refuses a line that never ends before it has all of it', async () => {
    assert.deepEqual(await ask('x'.repeat(LINE_MAX_BYTES + 1)), {
      ok: false,
      error: `the request is longer than ${LINE_MAX_BYTES} bytes`,
    });
  });

  it("belongs to root and base's group alone", async () => {
    const { uid, gid, mode } = statSync(socketPath);
    assert.deepEqual([uid, gid, mode & 0o777], [0, SERVICE_GROUP, 0o660]);
    assert.match(await connectAs(OTHER_USER, OTHER_USER), /EACCES/);
    assert.equal(await connectAs(OTHER_USER, SERVICE_GROUP), 'connected');
  });

  /** What a process of another user gets when it connects. */
  async function connectAs(uid: number, gid: number): Promise<string> {
    // perl is essential on Debian and can be run by anyone, unlike the Node of a closed checkout.
    const script =
      'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); $! = 0; connect(S, sockaddr_un($ARGV[0])) ? print "connected" : print($!{EACCES} ? "EACCES" : "$!");';
    const child = spawn('perl', ['-e', script, socketPath], { uid, gid, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    for await (const piece of child.stdout.setEncoding('utf8')) said += String(piece);
    return said;
  }

  it('takes a limited number of connections', async () => {
    const idle = Array.from({ length: CONNECTIONS_MAX }, () => net.connect(socketPath));
    await Promise.all(idle.map((connection) => once(connection, 'connect')));
    const tooMany = net.connect(socketPath).on('error', () => undefined);
    await once(tooMany, 'close');
    for (const connection of idle) connection.destroy();
  });

  it('exits when boot is gone', async () => {
    helper.disconnect();
    assert.deepEqual(await once(helper, 'exit'), [0, null]);
  });
});
