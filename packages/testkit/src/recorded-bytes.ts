import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFacts, readFrames } from '@bascule/recording/reader.ts';
import { OutputRecord, RecordParser } from '@bascule/wire/records.ts';
import type { ApiClient } from './api-client.ts';

/** What is in a recording that was downloaded through the interface. */
export interface RecordedSession {
  /** The terminal's bytes: the payloads of all DATA records. */
  terminal: Buffer;
  complete: boolean;
  reason: string | undefined;
  headSha256: string;
  /** How often a relay took the file up again. */
  resumedTimes: number;
}

/** Downloads a recording and reads it with its hash chain checked. */
export async function readRecording(api: ApiClient, session: string): Promise<RecordedSession> {
  const { status, body } = await api.send('GET', `reports/access-sessions/${session}/recording`);
  if (status !== 200) throw new Error(`the recording was answered with ${status}: ${body.toString('utf8')}`);
  const directory = mkdtempSync(join(tmpdir(), 'bascule-recording-'));
  try {
    const file = join(directory, 'recording.bsr');
    writeFileSync(file, body);
    const parts: Buffer[] = [];
    let resumedTimes = 0;
    const parser = new RecordParser((type, payload) => {
      if (type === OutputRecord.data) parts.push(Buffer.from(payload));
    });
    for await (const { frame } of readFrames(file)) {
      if (frame.kind === 'output') parser.push(frame.bytes);
      if (frame.kind === 'resumed') resumedTimes += 1;
    }
    const facts = await readFacts(file);
    if (facts === undefined) throw new Error('the recording has no header');
    return {
      terminal: Buffer.concat(parts),
      complete: facts.end !== undefined,
      reason: facts.end?.reason,
      headSha256: facts.headSha256,
      resumedTimes,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
