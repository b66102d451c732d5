import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { openWebCertificate } from '../certificates/certificates.ts';
import { GAP_COUNTS_FROM_MS, Gaps, ServiceMeter } from './service-meter.ts';

describe('time without service', () => {
  it('adds up what lies between two answers, when it is too long, and nothing before the first', () => {
    const gaps = new Gaps();
    assert.equal(gaps.totalMs, null);
    for (const atMs of [1_000, 1_100, 1_210, 1_300 + GAP_COUNTS_FROM_MS, 1_900]) gaps.answered(atMs);
    assert.equal(gaps.totalMs, 90 + GAP_COUNTS_FROM_MS);
    // An answer that was asked for earlier and came later.
    gaps.answered(1_850);
    gaps.answered(1_990);
    assert.equal(gaps.totalMs, 90 + GAP_COUNTS_FROM_MS);
  });

  it('is unknown while somebody answers who does not serve, and counts until somebody serves again', () => {
    const gaps = new Gaps();
    gaps.answered(1_000);
    gaps.answeredInVain();
    assert.equal(gaps.totalMs, null);
    gaps.answered(3_000);
    assert.equal(gaps.totalMs, 2_000);
  });

  it('does not count the time in which base was replaced while the other appliance served, and tells it', () => {
    const gaps = new Gaps({ totalMs: 700, lastOkMs: 1_000, served: false, notAskedMs: 0 });
    gaps.answered(4_000);
    gaps.answered(6_000);
    assert.deepEqual([gaps.totalMs, gaps.notAskedMs], [2_700, 3_000]);
  });

  it('asks the address, and goes on in the next base with the time that lay between', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-meter-'));
    const { key, cert } = await openWebCertificate(join(directory, 'tls'), ['localhost']);
    const server = https.createServer({ key, cert }, (_, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/login`;
    let nowMs = 1_000_000;
    let isServing = true;
    const options = {
      url,
      file: join(directory, 'service.json'),
      isProof: () => isServing,
      serves: () => isServing,
      now: () => nowMs,
    };
    const first = new ServiceMeter(options);
    first.start('pln_1');
    await waitUntil('the address has answered', () => first.totalMs() !== null);
    first.stop();
    nowMs += 4_000;
    const next = new ServiceMeter(options);
    next.start('pln_1');
    await waitUntil('it has answered again', () => (next.totalMs() ?? 0) > 0);
    assert.equal(next.totalMs(), 4_000);
    assert.deepEqual(next.asked(), { url, answeredBy: ['127.0.0.1'], notAskedMs: 0 });
    isServing = false;
    await waitUntil('who answers now proves nothing', () => next.totalMs() === null);
    next.end();
    const another = new ServiceMeter(options);
    another.start('pln_1');
    assert.equal(another.totalMs(), null, 'an ended plan leaves nothing');
    another.end();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true });
  });
});
