import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import type { AuditEvent } from '@bascule/store/audit.ts';
import { ClientAdmission, TO_BE_CONFIRMED_LIMIT } from './client-admission.ts';
import { ClientNotes } from './client-notes.ts';
import type { Hello } from './link.ts';
import { ADMINISTRATOR, TestSite } from './testing.ts';

test('unknown clients are listed up to a limit, and refused without a row above it until one is confirmed', async () => {
  let nowMs = Date.now();
  const site = await TestSite.open({ now: () => nowMs });
  const events: AuditEvent[] = [];
  const admission = new ClientAdmission({
    store: site.store,
    identity: site.identity,
    notes: {} as ClientNotes,
    now: () => nowMs,
    listed: () => undefined,
    doubted: () => undefined,
    readRecord: () => undefined,
    audit: (event) => events.push(event),
    rulesOf: () => ({}) as never,
    toBeConfirmedLimit: 3,
  });
  const facts = { hostName: 'stranger', os: 'Linux', arch: 'x64', addresses: [], user: 'root', version: '0.2.0' };
  const come = () => admission.admit(newId('jumpClient'), { facts } as unknown as Hello, () => randomBytes(91), '192.0.2.1');
  const rowCount = () => site.store.get<{ count: number }>('SELECT count(*) AS count FROM jump_clients')!.count;

  assert.ok(TO_BE_CONFIRMED_LIMIT > 19_000, 'a fleet that is connected fits');
  for (let number = 0; number < 3; number++) assert.equal(come(), 'to-be-confirmed');
  for (let number = 0; number < 50; number++) assert.equal(come(), 'no-room');
  assert.equal(rowCount(), 3);
  assert.deepEqual(
    events.map(({ code }) => code),
    ['JUMP_CLIENTS_UNKNOWN_LIMIT'],
    'said once',
  );
  site.store.transact(ADMINISTRATOR, { code: 'TEST', summary: '', details: {} }, (tx) =>
    tx.run(`UPDATE jump_clients SET state = 'approved' WHERE id = (SELECT min(id) FROM jump_clients)`),
  );
  nowMs += 10_000;
  assert.equal(come(), 'to-be-confirmed');
  assert.equal(come(), 'no-room');
  await site.close();
});
