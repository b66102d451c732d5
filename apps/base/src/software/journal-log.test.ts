import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { createLog } from '@bascule/log/log.ts';
import { JournalLog } from './journal-log.ts';

describe('the log of an installation', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-journal-log-'));
  after(() => rmSync(directory, { recursive: true }));

  it('is the owner’s alone, and has one line for each text, whatever is in it', () => {
    const log = new JournalLog(directory, createLog('test', 'silent'), () => 0);
    const id = newId('installation');
    log.write(id, 'candidate failed: \u001b[2Jgone\r\n1970-01-01T00:00:00.000Z installed\u2028x');
    log.write(id, 'rolled-back');
    assert.equal(
      log.read(id),
      '1970-01-01T00:00:00.000Z candidate failed:  [2Jgone 1970-01-01T00:00:00.000Z installed x\n1970-01-01T00:00:00.000Z rolled-back',
    );
    assert.equal(statSync(join(directory, `${id}.log`)).mode & 0o777, 0o600);
    assert.throws(() => log.read('../../etc/passwd'), /not the id of an installation/);
  });
});
