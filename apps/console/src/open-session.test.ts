import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SiteConnection } from './site-connection.ts';
import { SiteRefusal } from './site-connection.ts';
import { openSession } from './jump.ts';

const ITEM = { id: 'jc_01890a5d-ac96-774b-bcce-b302099a8057', name: 'web' };
const SIZE = { cols: 80, rows: 24 };
const pending = (place?: number) =>
  new SiteRefusal(409, {
    code: 'CLIENT_UPGRADE_PENDING',
    message: 'the queue is off',
    requestId: '1',
    params: { name: 'web', ...(place !== undefined && { place }) },
  });

/** A site that gives these answers to the opening, one after the other, and says `upgrade` of the item. */
function siteThat(answers: (SiteRefusal | string)[], upgrade = 'pending') {
  const call = (method: string) => {
    if (method === 'GET') return Promise.resolve({ upgrade });
    const answer = answers.shift();
    return answer instanceof SiteRefusal ? Promise.reject(answer) : Promise.resolve({ session: answer });
  };
  return { call } as unknown as Pick<SiteConnection, 'call'>;
}

test('while the client is upgraded first its place is told, and the session opens by itself', async () => {
  const said: string[] = [];
  const connection = siteThat([pending(2), pending(), 'acs_1'], 'downloading');
  assert.equal(await openSession({ connection, say: (text) => said.push(text) }, ITEM, SIZE), 'acs_1');
  assert.match(said[0] ?? '', /place in the queue is 2/);
  assert.match(said[1] ?? '', /upgraded right now/);
  assert.equal(said.length, 2);
});

test('when its upgrade does not come by itself, the site’s sentence is the answer', async () => {
  const connection = siteThat([pending()], 'failed');
  await assert.rejects(openSession({ connection, say: () => undefined }, ITEM, SIZE), /the queue is off/);
});
