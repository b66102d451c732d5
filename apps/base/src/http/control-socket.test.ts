import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { CONTROL_LINE_MAX_BYTES, openControlSocket } from './control-socket.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-control-'));
const path = join(directory, 'control', 'control.sock');

async function ask(text: string): Promise<unknown> {
  const connection = net.connect(path);
  connection.write(text);
  let answer = '';
  for await (const piece of connection.setEncoding('utf8')) answer += String(piece);
  return JSON.parse(answer);
}

describe('the control socket', () => {
  let server: net.Server;
  before(async () => {
    const handlers = {
      status: () => ({ ok: true }),
      'wait-ready': () => ({ ok: true }),
      'reset-password': ({ user }: { user: string }) => {
        if (user === 'broken') throw new Error('secret detail');
        throw new AppError('not-found', 'X', `There is no user '${user}'.`);
      },
      'reset-second-factor': () => ({ ok: true }),
      'local-client-token': async () => ({ ok: true, token: 't' }),
      stop: () => ({ ok: true }),
      'accept-time': () => ({ ok: true }),
      updates: () => ({ ok: true, updates: { notes: 'x'.repeat(500_000) } }),
      'updates-check': () => {
        throw new AppError('conflict', 'UPDATES_NO_SERVER', 'No update server is set.');
      },
      'updates-install': ({ target, overrule }: { target: string; overrule: string[] }) => ({
        ok: true,
        installation: `${target} ${overrule.join()}`,
      }),
      'updates-import': () => ({ ok: true }),
      'updates-roll-back': () => ({ ok: true }),
      'updates-download-key': () => ({ ok: true }),
      'updates-installation': () => ({ ok: true }),
      plans: () => ({ ok: true }),
      'plan-make': () => ({ ok: true }),
      'plan-show': () => ({ ok: true }),
      'plan-run': () => ({ ok: true }),
      'plan-confirm': () => ({ ok: true }),
      'plan-order': () => ({ ok: true }),
      restore: () => ({ ok: true }),
      'restore-look': () => ({ ok: true }),
      'restore-start': () => ({ ok: true }),
      'restore-undo': () => ({ ok: true }),
      'restore-one': () => ({ ok: true }),
    };
    server = await openControlSocket(path, handlers, createLog('test', 'silent'));
  });
  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  it('is closed to other users', () => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  });

  it('answers one request for each connection', async () => {
    assert.deepEqual(await ask('{"kind":"status"}\n'), { ok: true });
    assert.deepEqual(await ask('{"kind":"local-client-token"}\n'), { ok: true, token: 't' });
  });

  it('carries the verbs of updates, and long answers', async () => {
    const request = { kind: 'updates-install', target: 'site', overrule: ['clock'] };
    assert.deepEqual(await ask(`${JSON.stringify(request)}\n`), { ok: true, installation: 'site clock' });
    assert.deepEqual(await ask('{"kind":"updates-check"}\n'), { ok: false, error: 'No update server is set.' });
    const { updates } = (await ask('{"kind":"updates"}\n')) as { updates: { notes: string } };
    assert.equal(updates.notes.length, 500_000);
  });

  it('passes on what a person may know of a failure, and no more', async () => {
    assert.deepEqual(await ask('{"kind":"reset-password","interface":"login","user":"eve"}\n'), {
      ok: false,
      error: "There is no user 'eve'.",
    });
    const answer = (await ask('{"kind":"reset-password","interface":"login","user":"broken"}\n')) as { error: string };
    assert.doesNotMatch(answer.error, /secret/);
  });

  for (const [name, text, error] of [
    ['what is not JSON', 'status\n', /not JSON/],
    ['an unknown kind', '{"kind":"reboot"}\n', /^kind: /],
    ['a field that does not fit', '{"kind":"wait-ready","timeoutMs":-1}\n', /^timeoutMs: /],
    ['nobody as who accepts', '{"kind":"updates-install","target":"site","overrule":[],"acceptEula":" "}\n', /^acceptEula: /],
    ['a line that is too long', 'x'.repeat(CONTROL_LINE_MAX_BYTES + 1), /longer than 4096 bytes/],
  ] as const) {
    it(`refuses ${name}`, async () => {
      const answer = (await ask(text)) as { ok: boolean; error: string };
      assert.equal(answer.ok, false);
      assert.match(answer.error, error);
    });
  }
});
