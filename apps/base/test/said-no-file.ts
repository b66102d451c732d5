import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Is there when the fixture main of process `pid` has said that it serves no more. */
export function saidNoFile(pid: number): string {
  return join(tmpdir(), `bascule-fixture-${pid}.no`);
}
