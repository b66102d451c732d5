import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import type { ClockState } from '@bascule/protocol/api/updates.ts';
import { explainFailure } from './updates-errors.ts';

const right: ClockState = {
  systemMs: 0,
  effectiveMs: 0,
  highestSeenMs: 0,
  state: 'synchronised',
  server: 'ntp.example.net',
  offsetMs: 0,
  delayMs: 0,
  checkedAtMs: 0,
};
const URL = 'https://updates.example.net';

/** What an HTTP client throws: the cause of a cause. */
const network = (code: string) => new TypeError('fetch failed', { cause: Object.assign(new Error('low'), { code }) });

describe('failures of looking for updates (B67, B68)', () => {
  it('names a server that cannot be reached, and the manual way', () => {
    const { code, message, advice } = explainFailure(network('ENOTFOUND'), right, URL);
    assert.equal(code, 'UPDATE_SERVER_UNREACHABLE');
    assert.match(message, /updates\.example\.net cannot be reached: its name is not known/);
    assert.match(advice, /Download Key/);
  });

  it('finds the reason behind an error of the mirror', () => {
    const wrapped = new AppError('unavailable', 'MIRROR_UNREACHABLE', 'x', { cause: network('ECONNREFUSED') });
    assert.equal(explainFailure(wrapped, right, URL).code, 'UPDATE_SERVER_UNREACHABLE');
  });

  it('names the certificate, a full disk, and what the verifier says', () => {
    assert.equal(explainFailure(network('CERT_HAS_EXPIRED'), right, URL).code, 'UPDATE_SERVER_CERTIFICATE');
    assert.equal(explainFailure(Object.assign(new Error('x'), { code: 'ENOSPC' }), right, URL).code, 'UPDATES_DISK_FULL');
    const verdict = new AppError('invalid', 'METADATA_EXPIRED', 'The list of releases has expired.');
    assert.deepEqual(explainFailure(verdict, right, URL).code, 'METADATA_EXPIRED');
  });

  it('sends an appliance that nobody registered to whoever runs the server, and says nothing about a clock that may be right', () => {
    const refusal = (params: Record<string, string | number>) =>
      new AppError('unavailable', 'UPDATE_SERVER_REFUSED', 'The update server refused: who are you.', { params });
    const unchecked = { ...right, state: 'unchecked' as const };
    const advice = "Give this appliance's public key (Updates > Settings) to whoever runs the update server.";
    for (const params of [{ status: 401, serverCode: 'APPLIANCE_UNKNOWN' }, { status: 401 }] as Record<string, string | number>[])
      assert.equal(explainFailure(refusal(params), unchecked, URL).advice, advice);
    const late = explainFailure(refusal({ status: 401, serverCode: 'QUESTION_TIME' }), unchecked, URL).advice;
    assert.match(late, /^Nobody confirms the appliance's clock/);
    assert.doesNotMatch(explainFailure(network('ENOTFOUND'), unchecked, URL).advice, /clock/);
    const expired = new AppError('invalid', 'METADATA_EXPIRED', 'The list of releases has expired.');
    assert.match(explainFailure(expired, unchecked, URL).advice, /clock/);
  });

  it('puts a wrong clock first', () => {
    const behind = { ...right, state: 'behind' as const, systemMs: 0, highestSeenMs: 3 * 60 * 60_000 };
    assert.match(explainFailure(network('CERT_NOT_YET_VALID'), behind, URL).advice, /^The appliance's clock is 3 h behind/);
  });
});
