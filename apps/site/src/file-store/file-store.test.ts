import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { newId, uuidv7 } from '@bascule/core/ids.ts';
import { createLog } from '@bascule/log/log.ts';
import { storedName, STORED_PIECE_MAX_BYTES, STORED_UNDO_MS } from '@bascule/protocol/api/file-store.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { openTestSite } from '../testing.ts';
import { STORE_DISK_RESERVE_BYTES } from './stored-contents.ts';
import { ErasedFiles } from './file-store.ts';
import { FILE_STEPS, UPLOAD_KEPT_MS, UPLOADS_MAX } from './file-uploads.ts';
import { attachment } from './file-store-routes.ts';
import { ADA, pieces, TestFileStore, upload } from './testing.ts';

const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');
const MEBIBYTE = 1024 * 1024;

test('an upload goes on where it broke off, after a restart too, and becomes a file by its content', async () => {
  const first = new TestFileStore();
  const { id } = await first.files.uploads.start(ADA, { name: 'notes.txt', description: 'of ada', totalBytes: 11 });
  await assert.rejects(
    first.files.uploads.append(
      id,
      0,
      (async function* () {
        yield Buffer.from('hello');
        throw new Error('the connection breaks');
      })(),
    ),
    /breaks/,
  );
  using second = first.again();
  const found = await second.files.uploads.start(ADA, { name: 'notes.txt', description: 'of ada', totalBytes: 11 });
  assert.deepEqual([found.id, found.receivedBytes], [id, 5]);
  await assert.rejects(second.files.uploads.append(id, 0, pieces('hello')), {
    code: 'FILE_UPLOAD_OFFSET',
    params: { receivedBytes: 5 },
  });
  await assert.rejects(second.files.finish(ADA, id), { code: 'FILE_UPLOAD_INCOMPLETE' });
  await second.files.uploads.append(id, 5, pieces(' wor', 'ld'));
  const file = await second.files.finish(ADA, id);
  assert.deepEqual(
    [file.name, file.description, file.bytes, file.sha256, file.uploadedBy, file.isHere],
    ['notes.txt', 'of ada', 11, sha256('hello world'), 'ada', true],
  );
  assert.deepEqual(second.onDisk(), { contents: [file.sha256], parts: [] });
  const { handle } = await second.files.open(ADA, file.id);
  assert.equal((await handle.readFile()).toString(), 'hello world');
  await handle.close();
  assert.deepEqual(
    second.auditCodes().filter((code) => code.startsWith('FILE_')),
    ['FILE_UPLOAD_BEGUN', 'FILE_CONTENT_TAKEN', 'FILE_UPLOADED', 'FILE_DOWNLOADED'],
  );
  assert.deepEqual(second.files.contents(), [{ path: `store/${file.sha256}`, bytes: 11, sha256: file.sha256 }]);
});

test('cut at any step of an upload and of an erasure: no row without a file, and no file without a row', async () => {
  for (const step of FILE_STEPS) {
    let isCut = false;
    let site = new TestFileStore({
      step: (reached) => {
        if (reached !== step) return;
        isCut = true;
        throw new Error(`cut at ${step}`);
      },
    });
    const cutUpload = upload(site.files, 'a', 'content of a');
    if (step === 'rows-erased') {
      site.files.delete(ADA, (await cutUpload).id);
      site.clock.nowMs += STORED_UNDO_MS;
      site.files.start();
    } else await assert.rejects(cutUpload, { message: `cut at ${step}` });
    assert.ok(isCut, step);
    site = site.again();
    const { files, uploads } = site.files.state();
    const { contents, parts } = site.onDisk();
    assert.deepEqual(
      contents,
      files.map((file) => file.sha256),
      step,
    );
    assert.deepEqual(
      parts,
      uploads.map(({ id }) => id),
      step,
    );
    assert.ok(
      files.every(({ isHere }) => isHere),
      step,
    );
    if (uploads.length > 0) {
      // Nothing of what was uploaded is lost.
      assert.equal(uploads[0]!.receivedBytes, 12, step);
      await site.files.finish(ADA, uploads[0]!.id);
    }
    assert.equal(site.files.state().files.length, step === 'rows-erased' ? 0 : 1, step);
    site[Symbol.dispose]();
  }
});

test('a deleted file is back when its deletion is taken back in time, and goes for good after that', async () => {
  using site = new TestFileStore();
  const { files, clock } = site;
  const file = await upload(files, 'a', 'same');
  const twin = await upload(files, 'b', 'same');
  const { undoUntilMs } = files.delete(ADA, file.id);
  assert.equal(undoUntilMs, clock.nowMs + STORED_UNDO_MS);
  assert.deepEqual(files.state().deleted, [{ id: file.id, name: 'a', undoUntilMs }]);
  await assert.rejects(files.open(ADA, file.id), { kind: 'not-found' });
  const taken = await upload(files, 'A', 'another');
  assert.throws(() => files.undelete(ADA, file.id), { code: 'FILE_NAME_TAKEN' });
  files.change(ADA, taken.id, { name: 'c' });
  assert.equal(files.undelete(ADA, file.id).name, 'a');
  files.delete(ADA, file.id);
  clock.nowMs += STORED_UNDO_MS;
  assert.throws(() => files.undelete(ADA, file.id), { kind: 'not-found' });
  files.start();
  assert.deepEqual(site.onDisk().contents, [sha256('same'), sha256('another')].toSorted(), 'the twin has that content too');
  assert.equal(site.store.get('SELECT 1 FROM erased_files'), undefined);
  files.delete(ADA, twin.id);
  clock.nowMs += STORED_UNDO_MS;
  files.start();
  assert.deepEqual(site.onDisk().contents, [sha256('another')]);
  assert.equal(files.state().usedBytes, 7);
  // The same content again is no erased one.
  await upload(files, 'a', 'same');
  files.start();
  assert.ok(files.state().files.every(({ isHere }) => isHere));
});

test('rows that no program of ours wrote lead to no other file, whatever they say', async () => {
  const first = new TestFileStore();
  const own = await upload(first.files, 'own', 'own content');
  const at = (name: string) => join(first.directory, name);
  const names = ['erased', 'stored', 'deleted', 'noted', 'upload'];
  for (const name of names) writeFileSync(at(name), name);
  const made = { code: 'TEST_MADE', summary: 'made', details: {} } as never;
  const [stored, deleted, noted] = [newId('storedFile'), newId('storedFile'), uuidv7(first.clock.nowMs)];
  first.store.transact(SYSTEM, made, (tx) => {
    tx.run("INSERT INTO erased_files (sha256, erased_at_ms) VALUES ('../../erased', 1)");
    for (const [id, name, deletedAtMs] of [
      [stored, 'stored', null],
      [deleted, 'deleted', 1],
    ] as const)
      tx.run(
        `INSERT INTO stored_files (id, name, name_key, description, bytes, sha256, uploaded_at_ms, uploaded_by, deleted_at_ms) VALUES (?, ?, ?, '', 1, ?, 1, 'ada', ?)`,
        id,
        name,
        name,
        `../../${name}`,
        deletedAtMs,
      );
    for (const [id, content, startedAtMs] of [
      [noted, '../../noted', first.clock.nowMs],
      ['../../upload', null, 1],
    ] as const)
      tx.run(
        `INSERT INTO stored_uploads (id, name, description, total_bytes, sha256, content_sha256, started_at_ms) VALUES (?, 'x', '', 1, NULL, ?, ?)`,
        id,
        content,
        startedAtMs,
      );
  });
  using second = first.again();
  for (const name of names) assert.equal(readFileSync(at(name), 'utf8'), name);
  assert.deepEqual(
    second.files.state().files.map(({ id }) => id),
    [own.id],
  );
  assert.deepEqual(second.files.state().uploads, []);
  for (const id of [stored, deleted]) await assert.rejects(second.files.open(ADA, id), { kind: 'not-found' });
  // As at the backup of a pair, by the primary's word alone.
  const { store, directory } = second;
  const filesDir = join(directory, 'files');
  new ErasedFiles({ reader: () => store, filesDir, fetch: () => undefined, log: createLog('test', 'silent') }).remove();
  assert.equal(readFileSync(at('erased'), 'utf8'), 'erased');
  const { handle } = await second.files.open(ADA, own.id);
  assert.equal((await handle.readFile()).toString(), 'own content');
  await handle.close();
});

test('names: no path, no control characters, composed, of at most 200 bytes, and unique but for case', async () => {
  for (const name of ['', '  ', '.', '..', 'a/b', 'a\\b', 'a\0b', 'a\nb', 'a\u202eb', '\ud800', 'ä'.repeat(101)])
    assert.ok(!storedName.safeParse(name).success, JSON.stringify(name));
  assert.equal(storedName.parse(' u\u0308ber.txt '), '\u00fcber.txt');
  assert.equal(storedName.parse('ä'.repeat(100)).length, 100);
  using site = new TestFileStore();
  const file = await upload(site.files, 'Über.txt', 'x');
  await assert.rejects(upload(site.files, 'üBER.txt', 'y'), { code: 'FILE_NAME_TAKEN' });
  assert.equal(site.files.change(ADA, file.id, { name: 'über.TXT' }).name, 'über.TXT');
  const other = await upload(site.files, 'other', 'z');
  assert.throws(() => site.files.change(ADA, other.id, { name: 'ÜBER.txt' }), { code: 'FILE_NAME_TAKEN' });
  assert.equal(
    attachment('a "b"; ü\'.html'),
    `attachment; filename="a _b__ __.html"; filename*=UTF-8''a%20%22b%22%3B%20%C3%BC%27.html`,
  );
});

test('two uploads of one name: the second stays an upload, whole', async () => {
  using site = new TestFileStore();
  const { files } = site;
  const ids: string[] = [];
  for (const text of ['one', 'other']) {
    const { id } = await files.uploads.start(ADA, { name: 'a', description: '', totalBytes: text.length });
    await files.uploads.append(id, 0, pieces(text));
    ids.push(id);
  }
  const ended = await Promise.allSettled(ids.map((id) => files.finish(ADA, id)));
  assert.deepEqual(ended.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const { files: stored, uploads } = files.state();
  assert.equal(stored.length, 1);
  assert.equal(uploads[0]?.receivedBytes, uploads[0]?.totalBytes);
  assert.deepEqual(site.onDisk().contents, [stored[0]!.sha256]);
});

test('quota, limit of a file, disk, number of uploads, and what was announced are kept', async () => {
  let freeBytes = Number.MAX_SAFE_INTEGER;
  using site = new TestFileStore({ freeBytes: () => freeBytes });
  const { files } = site;
  files.changeSettings(ADA, { quotaMebibytes: 2, fileMaxMebibytes: 1 });
  const begin = (name: string, totalBytes: number) => files.uploads.start(ADA, { name, description: '', totalBytes });
  await assert.rejects(begin('a', MEBIBYTE + 1), { code: 'FILE_TOO_LARGE' });
  await upload(files, 'a', Buffer.alloc(MEBIBYTE));
  const half = await begin('b', MEBIBYTE - 1);
  assert.equal(files.state().uploadMaxBytes, 1);
  await assert.rejects(begin('c', 2), { code: 'FILE_STORE_FULL' }, 'what was begun counts');
  await assert.rejects(files.uploads.append(half.id, 0, pieces(Buffer.alloc(MEBIBYTE))), { code: 'FILE_UPLOAD_TOO_LONG' });
  files.uploads.remove(ADA, half.id);
  freeBytes = STORE_DISK_RESERVE_BYTES + 10;
  await assert.rejects(begin('c', 11), { code: 'FILE_STORE_NO_ROOM' });
  const small = await begin('c', 10);
  freeBytes = STORE_DISK_RESERVE_BYTES;
  await assert.rejects(files.uploads.append(small.id, 0, pieces('0123456789')), { code: 'FILE_STORE_NO_ROOM' });
  freeBytes = Number.MAX_SAFE_INTEGER;
  for (let count = 1; count < UPLOADS_MAX; count += 1) await begin(`${count}`, 1);
  await assert.rejects(begin('more', 1), { code: 'FILE_STORE_UPLOADS_MANY' });
  site.clock.nowMs += UPLOAD_KEPT_MS + 1;
  await begin('more', 1);
  assert.equal(files.state().uploads.length, 1, 'what nobody finished is gone');
  files.changeSettings(ADA, { quotaMebibytes: 100, fileMaxMebibytes: 50 });
  const large = await begin('large', 2 * STORED_PIECE_MAX_BYTES);
  const piece = Buffer.alloc(STORED_PIECE_MAX_BYTES / 2);
  await assert.rejects(files.uploads.append(large.id, 0, pieces(piece, piece, Buffer.alloc(1))), {
    code: 'FILE_PIECE_TOO_LARGE',
  });
  assert.equal(files.uploads.list().find(({ id }) => id === large.id)?.receivedBytes, STORED_PIECE_MAX_BYTES);
});

test('a file that was altered on its way is refused; an empty one is a file, too', async () => {
  using site = new TestFileStore();
  const { files } = site;
  const { id } = await files.uploads.start(ADA, { name: 'a', description: '', totalBytes: 4, sha256: sha256('good') });
  await files.uploads.append(id, 0, pieces('evil'));
  await assert.rejects(files.finish(ADA, id), { code: 'FILE_UPLOAD_ALTERED' });
  assert.deepEqual(site.onDisk().contents, []);
  const empty = await files.uploads.start(ADA, { name: 'empty', description: '', totalBytes: 0 });
  assert.equal((await files.finish(ADA, empty.id)).bytes, 0);
});

test('a content that a takeover has left at the other side is said to be missing, and an upload there is begun anew', async () => {
  const first = new TestFileStore();
  const file = await upload(first.files, 'a', 'content');
  const { id } = await first.files.uploads.start(ADA, { name: 'b', description: '', totalBytes: 3 });
  await first.files.uploads.append(id, 0, pieces('xy'));
  rmSync(join(first.directory, 'files'), { recursive: true });
  using second = first.again();
  assert.equal(second.files.state().files[0]?.isHere, false);
  await assert.rejects(second.files.open(ADA, file.id), { code: 'FILE_CONTENT_MISSING' });
  assert.deepEqual(second.files.contents(), []);
  assert.equal(second.files.uploads.list()[0]?.receivedBytes, 0);
  // It comes later.
  writeFileSync(join(second.directory, 'files', 'store', file.sha256), 'content');
  const { handle } = await second.files.open(SYSTEM, file.id);
  await handle.close();
});

test('over HTTP a page is downloaded and never shown, whatever its name says', async () => {
  await using test = await openTestSite();
  const { http, accounts } = test.site.parts;
  const { oneTimePassword } = await accounts.users.create(ADA, { name: 'ann', displayName: '', role: 'administrator' });
  const visitor = { address: '192.0.2.1', userAgent: '' };
  const login = await accounts.logins.withPassword('ann', oneTimePassword, visitor);
  await accounts.logins.changePassword(ADA, login.principal, { next: 'correct horse battery' });
  const headers = {
    host: 'localhost',
    origin: 'https://localhost',
    cookie: `__Host-bascule-site=${login.cookie}`,
    'x-bascule-csrf': login.principal.csrf,
  };
  const call = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object | Buffer) =>
    http.app.inject({
      method,
      url: `/api/file-store${url}`,
      headers: { ...headers, ...(Buffer.isBuffer(payload) && { 'content-type': 'application/octet-stream' }) },
      ...(payload !== undefined && { payload }),
    });
  const page = '<script>alert(1)</script>';
  const refused = await call('POST', '/uploads', { name: '../x', totalBytes: 1 });
  assert.equal(refused.statusCode, 400);
  const begun = await call('POST', '/uploads', { name: 'page.html', totalBytes: page.length });
  const { id } = begun.json() as { id: string };
  const received = await call('PUT', `/uploads/${id}?from=0`, Buffer.from(page));
  assert.equal(received.statusCode, 200, received.body);
  const finished = await call('POST', `/uploads/${id}/finish`, {});
  const file = finished.json() as { id: string; name: string };
  assert.equal(file.name, 'page.html', finished.body);
  const answer = await call('GET', `/files/${file.id}`);
  assert.equal(answer.body, page);
  assert.equal(answer.headers['content-type'], 'application/octet-stream');
  assert.match(String(answer.headers['content-disposition']), /^attachment; filename="page\.html"/);
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.match(String(answer.headers['content-security-policy']), /sandbox/);
  const state = await call('GET', '');
  assert.equal((state.json() as { files: object[] }).files.length, 1);
  assert.equal((await call('DELETE', `/files/${file.id}`)).statusCode, 200);
  assert.equal((await call('GET', `/files/${file.id}`)).statusCode, 404);
});
