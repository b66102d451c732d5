import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { amount, blockedSentence, pathLine, sentences, span, stepLine } from './updates-lines.mjs';

describe('lines about updates', () => {
  it('names amounts and spans in the unit that fits', () => {
    assert.deepEqual([amount(999), amount(12_345_678), amount(2_000_000_000)], ['999 B', '12.3 MB', '2.0 GB']);
    assert.deepEqual([span(420), span(60_000), span(300_000), span(8_000_000)], ['0.4 s', '60 s', '5 min', '2 h']);
  });

  it('shows a step with bytes, rate and time left, and where Cancel is over', () => {
    const step = { step: 'download', state: 'running', startedAtMs: 0, endedAtMs: null, cancellable: true };
    const progress = { done: 5_000_000, total: 10_000_000, unit: 'bytes', perSecond: 1_000_000, secondsLeft: 5 };
    assert.equal(stepLine({ ...step, progress }), '  download    ...    5.0 MB of 10.0 MB, 1.0 MB/s, 5.0 s left');
    const waiting = { ...progress, done: 3, total: 5, unit: 'clients', perSecond: null, secondsLeft: null };
    assert.equal(
      stepLine({ ...step, step: 'drain', cancellable: false, progress: waiting }),
      '  drain       ...    3 of 5 clients cannot be cancelled',
    );
    assert.equal(stepLine({ ...step, state: 'done', endedAtMs: 1_200, progress: null }), '  download    ok     1.2 s');
  });

  it('says the way, and one sentence after another', () => {
    assert.equal(pathLine({ action: 'back-up', kind: 'site', version: '0.2.0' }), 'a snapshot is taken before site 0.2.0');
    assert.equal(sentences('It refused: who are you', null, 'Register.'), 'It refused: who are you. Register.');
  });

  it('says what must come first', () => {
    const blocker = { reason: 'requires', kind: 'base', version: '0.3.0', range: '>=0.3.0', atMs: null };
    assert.equal(blockedSentence(blocker), 'Install base 0.3.0 first.');
    assert.equal(blockedSentence({ ...blocker, version: null }), 'It needs base >=0.3.0.');
    assert.equal(blockedSentence({ ...blocker, reason: 'not-yet-offered' }), 'It is not offered to this appliance yet.');
  });
});
