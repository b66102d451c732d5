import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateTone, diskTone } from '../appliance/basics-tones.ts';
import { onlyLocalHost } from './jump/only-local-host.ts';
import { accessSessionQuery, accessSessionSearch } from './reports/access-session-search.ts';

test('filters come from the address; wrong ones are left out', () => {
  const search = accessSessionSearch({
    user: 'ann',
    state: 'nonsense',
    from: '2026-11-20',
    to: 'yesterday',
    endReason: 'process-exited',
    other: 1,
  });
  assert.deepEqual(JSON.parse(JSON.stringify(search)), { user: 'ann', from: '2026-11-20', endReason: 'process-exited' });
});

test('the last day counts to its end, also when the month ends', () => {
  const { fromMs, toMs } = accessSessionQuery({ from: '2026-11-30', to: '2026-11-30' });
  assert.equal(fromMs, new Date(2026, 10, 30).getTime());
  assert.equal(toMs, new Date(2026, 11, 1).getTime() - 1);
  assert.deepEqual(accessSessionQuery({}), { fromMs: undefined, toMs: undefined });
});

test('a full disk and an expiring certificate are warned of before they are bad', () => {
  assert.deepEqual(
    [0.5, 0.09, 0.02].map((free) => diskTone({ totalBytes: 100, freeBytes: free * 100 })),
    ['ok', 'warn', 'bad'],
  );
  assert.equal(diskTone({ totalBytes: 0, freeBytes: 0 }), 'bad');
  const day = 86_400_000;
  assert.deepEqual(
    [40, 29, 0].map((days) => certificateTone(1e12 + days * day, 1e12)),
    ['ok', 'warn', 'bad'],
  );
});

test('an install command that leads to the machine itself is noticed', () => {
  const command = (host: string) => `curl -sSk 'https://${host}:8443/install.sh' -o bascule-jump-client.sh`;
  for (const host of ['localhost', '127.0.0.1', '127.0.1.1', '[::1]']) assert.equal(onlyLocalHost(command(host)), host);
  for (const host of ['bascule.example.org', '192.0.2.10', '[2001:db8::1]', 'localhost.example.org'])
    assert.equal(onlyLocalHost(command(host)), undefined);
});
