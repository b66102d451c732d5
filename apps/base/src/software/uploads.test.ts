import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { Store, SYSTEM } from '@bascule/store/store.ts';
import { updatesMigrations } from './updates-migrations.ts';
import { UPLOAD_DISK_RESERVE_BYTES, UPLOAD_KEPT_MS, Uploads, UPLOADS_MAX } from './uploads.ts';

const home = mkdtempSync(join(tmpdir(), 'bascule-uploads-'));
const store = Store.open({
  path: join(home, 'box.db'),
  migrations: updatesMigrations,
  appliance: 'test',
  log: createLog('test', 'silent'),
});
let nowMs = Date.UTC(2026, 6, 1);
let freeBytes = 1e12;
const directory = join(home, 'uploads');
const uploads = new Uploads({ store, directory, nowMs: () => nowMs, freeBytes: () => freeBytes });
const content = Buffer.from('0123456789'.repeat(10));
const sha256 = createHash('sha256').update(content).digest('hex');

async function* pieces(bytes: Buffer, size = 7) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

after(() => {
  store.close();
  rmSync(home, { recursive: true });
});

describe('uploads', () => {
  it('go on where they were broken off, and are whole at the end', async () => {
    const { id } = uploads.start(SYSTEM, { name: 'a.bascule-update', totalBytes: 100, sha256 });
    const broken = (async function* () {
      yield content.subarray(0, 40);
      throw new Error('the connection broke');
    })();
    await assert.rejects(uploads.append(id, 0, broken), /broke/);
    assert.deepEqual(uploads.start(SYSTEM, { name: 'other name', totalBytes: 100, sha256 }), { id, receivedBytes: 40 });
    await assert.rejects(uploads.append(id, 0, pieces(content)), { code: 'UPLOAD_OFFSET', params: { receivedBytes: 40 } });
    await assert.rejects(uploads.whole(id), { code: 'UPLOAD_INCOMPLETE' });
    assert.deepEqual(await uploads.append(id, 40, pieces(content.subarray(40))), { id, receivedBytes: 100 });
    const { file, name } = await uploads.whole(id);
    assert.deepEqual(readFileSync(file), content);
    assert.equal(name, 'a.bascule-update');
    uploads.remove(SYSTEM, id);
    assert.equal(existsSync(file), false);
    assert.deepEqual(uploads.list(), []);
  });

  it('refuse what is altered, too long, or sent twice at once', async () => {
    const { id } = uploads.start(SYSTEM, { name: 'b', totalBytes: 100, sha256 });
    await assert.rejects(uploads.append(id, 0, pieces(Buffer.concat([content, content]), 60)), { code: 'UPLOAD_TOO_LONG' });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const first = uploads.append(
      id,
      60,
      (async function* () {
        await held;
        yield Buffer.alloc(40);
      })(),
    );
    await assert.rejects(uploads.append(id, 60, pieces(content)), { code: 'UPLOAD_BUSY' });
    assert.throws(() => uploads.remove(SYSTEM, id), { code: 'UPLOAD_BUSY' });
    release();
    await first;
    await assert.rejects(uploads.whole(id), { code: 'UPLOAD_ALTERED' });
    uploads.remove(SYSTEM, id);
  });

  it('are limited in number and by the disk, before a byte is taken', () => {
    const ids = Array.from({ length: UPLOADS_MAX }, (_, index) => uploads.start(SYSTEM, { name: `n${index}`, totalBytes: 5 }).id);
    assert.throws(() => uploads.start(SYSTEM, { name: 'more', totalBytes: 5 }), { code: 'UPLOAD_TOO_MANY' });
    freeBytes = 300 * 1024 * 1024;
    assert.throws(() => uploads.start(SYSTEM, { name: 'n0', totalBytes: 5e8 }), { code: 'UPLOAD_DISK_SPACE' });
    freeBytes = 1e12;
    for (const id of ids) uploads.remove(SYSTEM, id);
  });

  it('leave the disk to the databases: what others were promised counts, and what is free is looked at with each piece', async () => {
    const big = 1e9;
    freeBytes = 2 * big + UPLOAD_DISK_RESERVE_BYTES;
    const { id } = uploads.start(SYSTEM, { name: 'one', totalBytes: big });
    assert.throws(() => uploads.start(SYSTEM, { name: 'two', totalBytes: 100 }), { code: 'UPLOAD_DISK_SPACE' });
    assert.deepEqual(uploads.start(SYSTEM, { name: 'one', totalBytes: big }), { id, receivedBytes: 0 });
    freeBytes = UPLOAD_DISK_RESERVE_BYTES;
    await assert.rejects(uploads.append(id, 0, pieces(content)), { code: 'UPLOAD_DISK_SPACE' });
    freeBytes = 1e12;
    assert.deepEqual(await uploads.append(id, 0, pieces(content)), { id, receivedBytes: 100 });
    uploads.remove(SYSTEM, id);
  });

  it('that nobody finished go, and so do files without a row', async () => {
    const { id } = uploads.start(SYSTEM, { name: 'old', totalBytes: 100 });
    await uploads.append(id, 0, pieces(content.subarray(0, 10)));
    writeFileSync(join(directory, 'stray'), 'x');
    nowMs += UPLOAD_KEPT_MS + 1;
    uploads.removeOld(SYSTEM);
    assert.deepEqual(uploads.list(), []);
    assert.equal(existsSync(join(directory, id)), false);
    assert.equal(existsSync(join(directory, 'stray')), false);
    await assert.rejects(uploads.append(id, 10, pieces(content)), { code: 'NOT_FOUND' });
  });
});
