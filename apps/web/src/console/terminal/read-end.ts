import { accessSessionDetail } from '@bascule/protocol/api/access-sessions.ts';
import type { EndReason } from '@bascule/protocol/end-reason.ts';
import type { ApiClient } from '../../shared/api-client.ts';
import { apiPaths } from '../../shared/paths.ts';

/** How a session ended that this page could not attach to any more; without an answer it counts as over for an unknown reason. */
export async function readEnd(
  api: ApiClient,
  session: string,
): Promise<'running' | { reason: EndReason | undefined; exitCode: number | null }> {
  try {
    const { session: row } = await api.get(apiPaths.accessSessionReport(session), accessSessionDetail);
    return row.state === 'ended' ? { reason: row.endReason ?? undefined, exitCode: row.exitCode } : 'running';
  } catch {
    return { reason: undefined, exitCode: null };
  }
}
