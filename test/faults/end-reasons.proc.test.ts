/** Every way in which a session ends says so: in its row, in the recording's last frame, and to the person. On the whole appliance. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ok } from '@bascule/protocol/api/common.ts';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import { createdUser } from '@bascule/protocol/api/auth.ts';
import { securitySettings } from '@bascule/protocol/api/site.ts';
import type { EndReason } from '@bascule/protocol/end-reason.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import type { LaunchedJumpClient } from '@bascule/testkit/launch-jump-client.ts';
import { readRecording } from '@bascule/testkit/recorded-bytes.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { z } from 'zod';

const PASSWORD = 'correct horse battery staple';
const MEBIBYTE = 1024 * 1024;
const isRoot = process.getuid?.() === 0;

let appliance: LaunchedAppliance;
let client: LaunchedJumpClient;
let api: ApiClient;
let item: string;

before(async () => {
  appliance = await launchAppliance();
  api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  client = await appliance.startJumpClient({ name: 'far' });
  item = await api.onlineItem('far');
});

after(() => appliance[Symbol.asyncDispose]());

/** A viewer in a shell that answers. */
async function openShell(by: ApiClient = api, on: string = item): Promise<TestViewer> {
  await waitOnline(on);
  const viewer = new TestViewer(by, await by.openSession(on));
  viewer.type('printf "%s" re""ady\r');
  await viewer.untilText('ready');
  return viewer;
}

async function waitOnline(id: string): Promise<void> {
  await waitUntil('the Jump Item is online', async () => {
    const { items } = await api.call('GET', 'jump/items', jumpItems);
    return items.some((candidate) => candidate.id === id && candidate.online);
  });
}

/** Checks that row, recording and viewer name the same reason, and that what was shown is in the recording. */
async function assertEnded(viewer: TestViewer, reason: EndReason, exitCode: number | null = null): Promise<void> {
  const { session, recording } = await api.endedSession(viewer.session);
  assert.deepEqual([session.endReason, session.exitCode], [reason, exitCode]);
  const recorded = await readRecording(api, viewer.session);
  assert.deepEqual([recorded.reason, recorded.complete, recorded.headSha256], [reason, true, recording?.headSha256]);
  assert.ok(recorded.terminal.includes('ready'));
  await viewer.untilStatus('ended');
}

async function anotherAdministrator(name: string): Promise<{ id: string; api: ApiClient }> {
  const { user, oneTimePassword } = await api.call('POST', 'users', createdUser, {
    name,
    displayName: name,
    role: 'administrator',
  });
  const other = api.fresh();
  await other.takeOver(oneTimePassword, PASSWORD, name);
  return { id: user.id, api: other };
}

describe('an access session ends', { concurrency: false }, () => {
  it('by its user, by an administrator, by the far process', async () => {
    using own = await openShell();
    await api.call('POST', `access-sessions/${own.session}/end`, ok, {});
    await assertEnded(own, 'ended-by-user');

    const { api: other } = await anotherAdministrator('second');
    using theirs = await openShell();
    await other.call('POST', `access-sessions/${theirs.session}/end`, ok, {});
    await assertEnded(theirs, 'ended-by-administrator');

    using exits = await openShell();
    exits.type('exit 7\r');
    await assertEnded(exits, 'process-exited', 7);
    assert.deepEqual(exits.exit, { code: 7, signal: 0 });
  });

  it('with the user who is disabled; until then the page stays, after it nothing answers', async () => {
    const { id, api: other } = await anotherAdministrator('leaving');
    using viewer = await openShell(other);
    await api.call('PATCH', `users/${id}`, z.unknown(), { disabled: true });
    await assertEnded(viewer, 'user-disabled');
    assert.equal((await other.send('GET', 'auth/me')).status, 401);
  });

  it('by the size of its recording', async () => {
    const settings = await api.call('GET', 'settings/security', securitySettings);
    await api.call('PUT', 'settings/security', z.unknown(), { ...settings, recordingMaxMebibytes: 1 });
    using viewer = await openShell();
    viewer.type('yes\r');
    await assertEnded(viewer, 'limit-reached');
    const { session } = await api.sessionDetail(viewer.session);
    assert.ok((session.recordingBytes ?? 0) < 8 * MEBIBYTE, `the recording has ${session.recordingBytes} bytes`);
    await api.call('PUT', 'settings/security', z.unknown(), settings);
  });

  it('with the Jump Client that is killed, is stopped, or is revoked', async () => {
    using killed = await openShell();
    await client.kill();
    client.restart();
    await assertEnded(killed, 'client-stopped');
    await api.onlineItem('far');

    using stopped = await openShell();
    await client.stop();
    await assertEnded(stopped, 'client-stopped');

    client.restart();
    await appliance.startJumpClient({ name: 'to be revoked' });
    const doomed = await api.onlineItem('to be revoked');
    using revoked = await openShell(api, doomed);
    await api.call('POST', `jump/items/${doomed}/revoke`, z.unknown(), {});
    await assertEnded(revoked, 'client-revoked');
  });

  it(
    'never unrecorded: a full disk pauses it and lets it go on, and no other starts',
    { skip: !isRoot && 'needs root: mounts a file system' },
    async () => {
      const recordings = appliance.paths.site.recordings;
      const run = (...command: string[]) => {
        const { status, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' });
        assert.equal(status, 0, `${command.join(' ')}: ${stderr}`);
      };
      run('mount', '-t', 'tmpfs', '-o', 'size=300m,mode=0777', 'tmpfs', recordings);
      const filler = join(recordings, 'filler');
      try {
        using viewer = await openShell();
        writeFileSync(filler, Buffer.alloc(80 * MEBIBYTE));
        await viewer.until('it is paused', () => viewer.notices.some((notice) => notice.kind === 'paused' && notice.paused));
        viewer.type('printf "%s" af""ter\r');
        await assert.rejects(api.openSession(item), /ACCESS_SESSION_RECORDING_FAILED/);
        assert.ok(!viewer.text().includes('after'), 'nothing happens while it cannot be recorded');
        rmSync(filler);
        await viewer.untilText('after');
        await api.call('POST', `access-sessions/${viewer.session}/end`, ok, {});
        await assertEnded(viewer, 'ended-by-user');
        assert.ok((await readRecording(api, viewer.session)).terminal.includes('after'));
      } finally {
        run('umount', '-l', recordings);
      }
    },
  );
});

describe('what an administrator takes away', () => {
  it('is found whole by the verifier that the appliance hands out, and broken when a bit is turned', async () => {
    using viewer = await openShell();
    viewer.type('exit\r');
    await assertEnded(viewer, 'process-exited', 0);
    const directory = mkdtempSync(join(tmpdir(), 'bascule-verify-'));
    try {
      const tool = join(directory, 'verify.mjs');
      writeFileSync(tool, (await api.send('GET', 'reports/verify.mjs')).body);
      const recording = (await api.send('GET', `reports/access-sessions/${viewer.session}/recording`)).body;
      const audit = (await api.send('GET', 'reports/audit/export')).body;
      assert.ok(audit.includes(viewer.session) && audit.includes('ACCESS_SESSION_ENDED'));
      const turned = Buffer.from(recording);
      turned[recording.length >> 1]! ^= 1;
      const verify = (name: string, content: Buffer): number | null => {
        const file = join(directory, name);
        writeFileSync(file, content);
        return spawnSync(process.execPath, [tool, file]).status;
      };
      assert.deepEqual([verify('whole.bsr', recording), verify('audit.jsonl', audit), verify('turned.bsr', turned)], [0, 0, 1]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('the derived asciicast', () => {
  it("is played by Debian's asciinema, byte for byte", async () => {
    using viewer = await openShell();
    viewer.type('stty -echo; PS1=; printf "gr\\303\\274n \\342\\202\\254 \\377 \\033[1mbold\\033[0m"; exit\r');
    await assertEnded(viewer, 'process-exited', 0);
    const { body, headers } = await api.send('GET', `reports/access-sessions/${viewer.session}/asciicast`);
    assert.match(String(headers['content-disposition']), /^attachment; filename="[\w.-]+-far-admin\.cast"$/);
    const directory = mkdtempSync(join(tmpdir(), 'bascule-cast-'));
    try {
      const file = join(directory, 'session.cast');
      writeFileSync(file, body);
      // asciinema wants a terminal of its own; script(1) gives it one.
      const played = spawnSync(
        'script',
        ['--quiet', '--return', '--command', `asciinema cat ${file} > ${directory}/played`, '/dev/null'],
        {
          env: { ...process.env, LC_ALL: 'C.UTF-8', HOME: directory },
          encoding: 'utf8',
        },
      );
      assert.equal(played.status, 0, played.stdout + played.stderr);
      const text = readFileSync(join(directory, 'played'), 'utf8');
      const { terminal } = await readRecording(api, viewer.session);
      assert.equal(text, new TextDecoder().decode(terminal));
      assert.ok(text.includes('grün € \u{FFFD}'));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
