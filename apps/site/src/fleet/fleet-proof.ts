import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RolloutCounts } from './queue-types.ts';
import type { FleetView } from './fleet-options.ts';

const BATCH = 1000;
/** Before the signed text: what the site signs elsewhere (records, vouches, audit heads) can never pass for a proof, nor a proof for them. */
const PURPOSE = 'bascule-fleet-proof/1\n';

/** Whoever signs for the site. */
export interface ProofSigner {
  sign(bytes: Uint8Array): Uint8Array;
  certificatePem: string;
}

/**
 * The proof report (B113): for every client its version, and when it was last seen running it after the site's upgrade, signed by the site identity. Answers the
 * pieces of the file (`fleetProof`), for it may be tens of megabytes; `tools/verify` checks it without the site.
 */
export async function* proofPieces(
  view: FleetView,
  about: { site: string; appliance: string; nowMs: number },
  signer: ProofSigner,
): AsyncGenerator<string> {
  const { version, revision, createdAtMs } = view.version;
  const clients: string[] = [];
  let isComplete = true;
  let done = 0;
  for (const member of view.clients.sorted()) {
    const entry = view.core.entries.get(member.id);
    if (entry?.isEligible !== true) continue;
    const provedAtMs = provedAt(view, member.id, about.nowMs);
    if (provedAtMs === null) isComplete = false;
    clients.push(JSON.stringify({ id: member.id, name: member.name, version: member.version, state: entry.state, provedAtMs }));
    done += 1;
    if (done % BATCH === 0) await nextTurn();
  }
  const head = {
    site: about.site,
    appliance: about.appliance,
    version,
    revision,
    siteUpgradedAtMs: createdAtMs,
    madeAtMs: about.nowMs,
    isComplete,
    counts: view.core.entries.total() satisfies RolloutCounts,
  };
  const text = `${JSON.stringify(head).slice(0, -1)},"clients":[${clients.join(',')}]}`;
  const signature = Buffer.from(signer.sign(Buffer.from(PURPOSE + text))).toString('base64');
  yield `{"format":"bascule-fleet-proof/1","certificate":${JSON.stringify(signer.certificatePem)},"signature":"${signature}","text":"`;
  for (let index = 0; index < text.length; index += PIECE_CHARACTERS) {
    // Each piece as JSON without its quotes; no surrogate pair is torn, since JSON.stringify would escape its halves, and they read back as one.
    yield JSON.stringify(text.slice(index, index + PIECE_CHARACTERS)).slice(1, -1);
    await nextTurn();
  }
  yield '"}\n';
}
const PIECE_CHARACTERS = 256 * 1024;

/** When the client was last seen running the site's version (or a newer one) after the site became it; null: never. */
function provedAt(view: FleetView, id: string, nowMs: number): number | null {
  const entry = view.core.entries.get(id);
  if (entry === undefined || (entry.state !== 'current' && entry.state !== 'ahead')) return null;
  if (entry.isOnline) return nowMs;
  const seenAtMs = Math.max(view.clients.get(id)?.lastSeenAtMs ?? 0, entry.outcome === 'done' ? (entry.endedAtMs ?? 0) : 0);
  return seenAtMs > view.version.createdAtMs ? seenAtMs : null;
}
