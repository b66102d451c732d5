import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { utility } from '@bascule/protocol/api/support.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { OUTPUT_MAX_BYTES, Utilities } from './utilities.ts';

const never = () => new AbortController().signal;
const withCode = (code: string) => (error: unknown) => error instanceof AppError && error.code === code;

test('connects, and says what it says when nobody listens', async () => {
  using opened = openTestStore([]);
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const utilities = new Utilities(opened.store);
  const good = await utilities.run(testContext, { kind: 'tcp', target: '127.0.0.1', port }, never());
  assert.match(good.output, /^Connected to 127\.0\.0\.1 port \d+ from 127\.0\.0\.1 in \d+ ms\.$/);
  server.close();
  await once(server, 'close');
  const bad = await utilities.run(testContext, { kind: 'tcp', target: '127.0.0.1', port }, never());
  assert.deepEqual([bad.ok, /ECONNREFUSED/.test(bad.output)], [false, true]);
  assert.deepEqual(readAudit(opened.store, { limit: 1 })[0]?.code, 'NETWORK_UTILITY_USED');
});

test('programs get the target as one argument after the options, nothing of our environment, and end with whoever asked', async () => {
  using opened = openTestStore([]);
  const script = join(opened.directory, 'fake');
  writeFileSync(
    script,
    '#!/bin/sh\nfor each in "$@"; do echo "<$each>"; done\nenv | grep -c SECRET_OF_BASE\n[ "$2" = 10 ] && sleep 60\nexit 0\n',
  );
  chmodSync(script, 0o755);
  process.env['SECRET_OF_BASE'] = '1';
  const utilities = new Utilities(opened.store, { ping: [script], traceroute: ['/nonexistent'] });
  const answer = await utilities.run(testContext, { kind: 'ping', target: '[::1]', count: 3 }, never());
  assert.equal(answer.output, '<-c>\n<3>\n<-w>\n<13>\n<-->\n<::1>\n0\n');
  await assert.rejects(utilities.run(testContext, { kind: 'traceroute', target: 'x' }, never()), withCode('UTILITY_ABSENT'));
  const gone = new AbortController();
  const long = utilities.run(testContext, { kind: 'ping', target: 'x', count: 10 }, gone.signal);
  await assert.rejects(utilities.run(testContext, { kind: 'dns', target: 'x', type: 'A' }, never()), withCode('UTILITY_RUNNING'));
  setImmediate(() => gone.abort());
  assert.match((await long).output, /Stopped\.$/);
});

test('what a program says is cut', async () => {
  using opened = openTestStore([]);
  const script = join(opened.directory, 'fake');
  writeFileSync(script, '#!/bin/sh\nhead -c 200000 /dev/zero | tr "\\0" x\n');
  chmodSync(script, 0o755);
  const utilities = new Utilities(opened.store, { ping: [script], traceroute: [] });
  const { output } = await utilities.run(testContext, { kind: 'ping', target: 'x', count: 1 }, never());
  assert.equal(output.length, OUTPUT_MAX_BYTES + 2);
});

test('a target is a name or an address, and nothing that a program could take for an option', () => {
  for (const target of ['example.org', '192.0.2.1', '2001:db8::1', '[::1]', 'fe80::1%eth0'])
    assert.ok(utility.safeParse({ kind: 'traceroute', target }).success, target);
  for (const target of ['-f', '--help', 'a b', 'a;reboot', '$(id)', 'a\nb', '', '`id`', 'a|b'])
    assert.ok(!utility.safeParse({ kind: 'traceroute', target }).success, target);
});
