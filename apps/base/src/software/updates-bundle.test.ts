import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, afterEach, describe, it } from 'node:test';
import { SYSTEM } from '@bascule/store/store.ts';
import { redeem, RUNTIME, SITE_BYTES, UpdatesFixture } from '../../test/updates-fixture.ts';

const DAY_MS = 24 * 60 * 60_000;
const signal = new AbortController().signal;

describe('a file that answers a download key', () => {
  let fixture: UpdatesFixture;
  beforeEach(async () => (fixture = await UpdatesFixture.open()));
  afterEach(() => fixture[Symbol.asyncDispose]());

  /** An appliance that never reaches the server, and trusts the root by a first file. */
  async function trusting(): Promise<void> {
    const file = await redeem(fixture, fixture.updates.makeDownloadKey(SYSTEM).text);
    const bytes = readFileSync(file);
    const { id } = fixture.updates.uploads.start(SYSTEM, { name: 'first', totalBytes: bytes.length });
    await fixture.updates.uploads.append(id, 0, [bytes] as unknown as AsyncIterable<Uint8Array>);
    await assert.rejects(fixture.updates.imports.finishUpload(SYSTEM, id), { code: 'UPDATES_NOT_TRUSTED' });
    const { rootSha256 } = await fixture.updates.foundTrust();
    await fixture.updates.confirmTrust(SYSTEM, rootSha256);
    fixture.updates.uploads.remove(SYSTEM, id);
  }

  const key = (): string => fixture.updates.makeDownloadKey(SYSTEM).text;
  const refused = (): string | undefined =>
    fixture.store.get<{ details: string }>(
      "SELECT details FROM audit_event WHERE code = 'UPDATE_FILE_REFUSED' ORDER BY sequence DESC LIMIT 1",
    )?.details;

  it('brings packages to an appliance without a network, by upload, and is gone then', async () => {
    await trusting();
    const { updates, base, site } = fixture;
    const bytes = readFileSync(await redeem(fixture, key()));
    const { id } = updates.uploads.start(SYSTEM, { name: 'second.bascule-update', totalBytes: bytes.length });
    await updates.uploads.append(id, 0, [bytes] as unknown as AsyncIterable<Uint8Array>);
    assert.deepEqual(await updates.imports.finishUpload(SYSTEM, id), [base, site]);
    assert.deepEqual(updates.state().uploads, []);
    assert.equal(updates.state().lastCheck?.source, 'file');
    const { downloadBytes, downloadedBytes } = updates.offer(site);
    assert.equal(downloadedBytes, downloadBytes);
    assert.deepEqual(readFileSync(await updates.shelf.obtain(site, { signal, onProgress: () => undefined })), SITE_BYTES);
    assert.deepEqual(fixture.server.requests, []);
  });

  it('is refused for another appliance, for a key that was not made here, and when its time is over', async () => {
    await trusting();
    const { updates } = fixture;
    const other = await redeem(fixture, key(), { about: { applianceId: 'f'.repeat(64), applianceName: 'elsewhere' } });
    await assert.rejects(updates.imports.importFile(SYSTEM, other), { code: 'BUNDLE_OTHER_APPLIANCE', message: /elsewhere/ });
    assert.match(refused() ?? '', /BUNDLE_OTHER_APPLIANCE/);
    const unknown = await redeem(fixture, key(), { about: { keyNonce: 'x'.repeat(24) } });
    await assert.rejects(updates.imports.importFile(SYSTEM, unknown), { code: 'BUNDLE_OTHER_KEY' });
    const late = await redeem(fixture, key());
    fixture.nowMs += 31 * DAY_MS;
    await assert.rejects(updates.imports.importFile(SYSTEM, late), { code: 'BUNDLE_EXPIRED' });
    const lying = await redeem(fixture, key(), { about: { validUntilMs: fixture.nowMs + 99 * DAY_MS } });
    fixture.nowMs += 62 * DAY_MS;
    await assert.rejects(updates.imports.importFile(SYSTEM, lying), { code: 'METADATA_EXPIRED' });
  });

  it('is refused when it was altered, is no such file, or was cut', async () => {
    await trusting();
    const { updates, site } = fixture;
    const altered = await redeem(fixture, key(), {
      alter: (bytes) => {
        bytes[bytes.lastIndexOf('site package ') + 3]! ^= 1;
        return bytes;
      },
    });
    await assert.rejects(updates.imports.importFile(SYSTEM, altered, 'from-usb.bascule-update'), {
      code: 'PACKAGE_HASH',
      message: 'from-usb.bascule-update: A package in this file was damaged or altered. Fetch the file again.',
    });
    assert.equal(updates.offer(site).downloadedBytes < updates.offer(site).downloadBytes, true);
    const forged = await redeem(fixture, key(), {
      alter: (bytes) => {
        const at = bytes.indexOf('"_type"', bytes.indexOf('timestamp.json'));
        bytes.write('"_TYPE"', at);
        return bytes;
      },
    });
    await assert.rejects(updates.imports.importFile(SYSTEM, forged), { code: 'METADATA_REFUSED' });
    const cut = await redeem(fixture, key(), { alter: (bytes) => bytes.subarray(0, bytes.length - 2000) });
    await assert.rejects(updates.imports.importFile(SYSTEM, cut), { code: 'BUNDLE_INCOMPLETE' });
    const picture = join(fixture.directory, 'picture.jpg');
    writeFileSync(picture, Buffer.alloc(5000, 7));
    await assert.rejects(updates.imports.importFile(SYSTEM, picture), { code: 'BUNDLE_MALFORMED' });
    await assert.rejects(updates.imports.importFile(SYSTEM, join(fixture.directory, 'none')), { code: 'UPDATE_FILE_UNREADABLE' });
  });

  it('that is no good does not stay after its upload', async () => {
    await trusting();
    const { uploads } = fixture.updates;
    const { id } = uploads.start(SYSTEM, { name: 'picture.jpg', totalBytes: 5000 });
    await uploads.append(id, 0, [Buffer.alloc(5000, 7)] as unknown as AsyncIterable<Uint8Array>);
    await assert.rejects(fixture.updates.imports.finishUpload(SYSTEM, id), { code: 'BUNDLE_MALFORMED' });
    assert.deepEqual(uploads.list(), []);
    await assert.rejects(fixture.updates.imports.finishUpload(SYSTEM, id), { code: 'NOT_FOUND' });
  });

  it('is refused when something that its packages need is missing, unless that is here', async () => {
    await trusting();
    const { updates, base } = fixture;
    const without = await redeem(fixture, key(), { targets: [base] });
    await assert.rejects(updates.imports.importFile(SYSTEM, without), { code: 'UPDATE_FILE_INCOMPLETE', message: /runtime/ });
    fixture.installed = { ...fixture.installed, runtimes: [RUNTIME] };
    const again = await redeem(fixture, key(), { targets: [base] });
    assert.deepEqual(await updates.imports.importFile(SYSTEM, again), [base]);
  });

  it('is refused when everything in it is installed, and when the appliance has seen newer metadata', async () => {
    await trusting();
    const { updates } = fixture;
    const early = await redeem(fixture, key());
    const late = await redeem(fixture, key());
    await updates.imports.importFile(SYSTEM, late);
    await assert.rejects(updates.imports.importFile(SYSTEM, early), { code: 'METADATA_OLDER' });
    fixture.installed = {
      packages: [
        { kind: 'base', version: '0.2.0' },
        { kind: 'site', version: '0.3.0' },
      ],
      runtimes: [RUNTIME],
    };
    await assert.rejects(updates.imports.importFile(SYSTEM, await redeem(fixture, key())), { code: 'UPDATE_FILE_OLDER' });
  });
});
