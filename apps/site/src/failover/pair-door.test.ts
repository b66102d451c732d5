import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { TestSide } from './pair-testing.ts';

test('two doors: each lets the other in, requests and a followed link go over real TLS', async () => {
  const [one, other] = await Promise.all([TestSide.open(), TestSide.open()]);
  one.pin(other);
  other.pin(one);
  const { status, body } = await one.dial.request('GET', '/state');
  assert.deepEqual([status, body], [200, { path: '/state' }]);
  const back = await other.dial.request('POST', '/role', { kind: 'break' });
  assert.equal(back.status, 200);

  other.onFollow = (socket) => void socket.on('message', (data) => socket.send(data));
  const link = await one.dial.follow();
  link.send('hello');
  const [data] = (await once(link, 'message')) as [Buffer];
  assert.equal(data.toString(), 'hello');
  const closed = once(link, 'close');
  await other.close();
  assert.equal((await closed)[0], 1001, 'an orderly end is said');
  await one.close();
});
