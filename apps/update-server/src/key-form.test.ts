import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readKeyText } from './key-form.ts';

const KEY = '-----BEGIN KEY-----\nAA+/==\n-----END KEY-----\n';

test('a key arrives as a form field, as a file of a form, and as the body itself', async () => {
  const encode = async (form: URLSearchParams | FormData): Promise<[Buffer, string]> => {
    const request = new Request('http://test.invalid', { method: 'POST', body: form });
    return [Buffer.from(await request.arrayBuffer()), request.headers.get('content-type') ?? ''];
  };
  const fields = new FormData();
  fields.set('key', KEY);
  const files = new FormData();
  files.set('key', new File([KEY], 'key.txt'));
  assert.equal(await readKeyText(...(await encode(new URLSearchParams({ key: KEY })))), KEY);
  assert.equal((await readKeyText(...(await encode(fields)))).replaceAll('\r\n', '\n'), KEY);
  assert.equal(await readKeyText(...(await encode(files))), KEY);
  assert.equal(await readKeyText(Buffer.from(KEY), 'application/x-www-form-urlencoded'), KEY);
  assert.equal(await readKeyText(Buffer.from(KEY)), KEY);
});

test('a form without the field, or that is none, is refused', async () => {
  await assert.rejects(readKeyText(Buffer.from('other=1'), 'application/x-www-form-urlencoded'), { code: 'FORM_MALFORMED' });
  await assert.rejects(readKeyText(Buffer.from('nonsense'), 'multipart/form-data; boundary=x'), { code: 'FORM_MALFORMED' });
});
