/**
 * An appliance ⇄ `bascule-witness`: TLS 1.3 with ALPN `bascule-witness/1`, each side's key pinned by the other; JSON lines, at most WITNESS_LINE_MAX_BYTES. The
 * witness writes down what it grants, durably, before it answers (architecture 8). docs/spec/witness.md
 */
import { z } from 'zod';
import { sha256Hex } from './text.ts';
import { signedStatement } from './pair-link.ts';

export const WITNESS_ALPN = 'bascule-witness/1';
export const WITNESS_LINE_MAX_BYTES = 8 * 1024;
/** Appliances of one site that a witness knows: two, and those that took their place. */
export const WITNESS_MEMBERS_MAX = 4;

export const toWitness = z.discriminatedUnion('kind', [
  /**
   * Once per appliance, with the secret of the code that `bascule-witness` printed: from then on the key counts. Later without it, by a key that counts, to say
   * another name or identity.
   */
  z.object({
    kind: z.literal('enrol'),
    nonce: z.number().int(),
    secret: z.string().max(100),
    site: z.string().max(64),
    /** PEM of the site identity: statements of epochs are verified with it. */
    identity: z.string().max(6144),
    name: z.string().max(100),
  }),
  /** Asks for the lease, or to keep it. `leaseMs` counts at the asker from sending. */
  z.object({
    kind: z.literal('lease'),
    nonce: z.number().int(),
    site: z.string().max(64),
    history: z.string().max(64),
    epoch: z.number().int().positive(),
    statement: signedStatement,
    leaseMs: z.number().int().min(500).max(60_000),
    /** Of the holder: whether `peer` has everything. The witness records it before a primary goes on alone. */
    peerInSync: z.boolean(),
    peer: sha256Hex,
    /** Newest change that the asker has. */
    seq: z.number().int().nonnegative(),
    /** Of the holder: newest change that the peer is known to have. Who has less than what is on record does not get the lease. */
    peerSeq: z.number().int().nonnegative(),
    /** A named person, shown what is lost, takes over although this side is out of sync. */
    forcedBy: z.string().max(200).optional(),
  }),
  /** The holder gives the lease up at once (a planned swap). */
  z.object({
    kind: z.literal('release'),
    nonce: z.number().int(),
    site: z.string().max(64),
    epoch: z.number().int().positive(),
    peerInSync: z.boolean(),
    peer: sha256Hex,
    seq: z.number().int().nonnegative(),
    peerSeq: z.number().int().nonnegative(),
  }),
  z.object({ kind: z.literal('ask'), nonce: z.number().int(), site: z.string().max(64) }),
]);
export type ToWitness = z.infer<typeof toWitness>;

export const fromWitness = z.object({
  nonce: z.number().int(),
  /** Null in `record`: nobody of this site has had the lease yet. */
  outcome: z.enum(['granted', 'held-by-other', 'out-of-sync', 'epoch-behind', 'not-enrolled', 'malformed', 'answer']),
  /** What is on record. */
  record: z
    .object({
      history: z.string(),
      epoch: z.number().int(),
      holder: sha256Hex,
      holderName: z.string(),
      /** Keys of those that have everything up to the holder's last word. */
      inSync: z.array(sha256Hex).max(WITNESS_MEMBERS_MAX),
      /** Newest change of the holder, and what another must have at least. */
      seq: z.number().int(),
      peerSeq: z.number().int(),
      /** Who took over by a person's word: the holder of this epoch. */
      forcedBy: z.string().max(200).optional(),
      /** Until somebody else may get the lease, as the witness counts; 0: at once. */
      leftMs: z.number(),
      /** Who else asked lately: since when each was last heard, for 'who still sees it'. */
      heard: z.array(z.object({ key: sha256Hex, name: z.string(), agoMs: z.number() })).max(WITNESS_MEMBERS_MAX),
    })
    .nullable(),
});
export type FromWitness = z.infer<typeof fromWitness>;
