/**
 * Establishing a failover pair (docs/spec/pair.md, 4): POST `/establish/hello`, `/establish/prove`, then `/establish/call` on one connection of the pair link, between
 * appliances that do not know each other's keys yet. From the proof on everything is sealed: `/establish/call` carries `establishSealed` both ways.
 */
import { z } from 'zod';
import { endpoint, pairMode, pairRole } from './api/failover.ts';
import { signedStatement } from './pair-link.ts';
import { byteCount, instantMs, sha256Hex } from './text.ts';

export const ESTABLISH_VERSIONS = [1] as const;
/** Of strangers, before they have proved anything. */
export const ESTABLISH_UNPROVEN_BODY_MAX_BYTES = 4 * 1024;
/** The keys with a hundred former identities take less than half of it. */
export const ESTABLISH_CALL_MAX_BYTES = 4 * 1024 * 1024;
/** What one `measure` gives at most; sealed and in base64 it stays below the limit above. */
export const ESTABLISH_MEASURE_MAX_BYTES = 1024 * 1024;

const nonce = z.base64().length(44);
export const establishHello = z.object({ versions: z.array(z.number().int().positive()).min(1).max(8), nonce });
export const establishHelloAnswer = z.object({ version: z.number().int().positive(), nonce });
/** HMAC-SHA-256 of the pre-shared key's hash over this very connection. */
export const establishProof = z.object({ proof: z.base64().length(44) });
export const establishSealed = z.object({ sealed: z.base64() });

/** Files of `site/keys` that a backup takes over; never the pair key. */
export const SITE_KEY_FILES = [
  'identity.key',
  'identity.crt',
  'identity-history.json',
  'identity-next.json',
  'site.key',
  'link-tickets.key',
] as const;
export const siteKeys = z.object({
  format: z.literal('bascule-site-keys/1'),
  files: z.array(z.object({ name: z.enum(SITE_KEY_FILES), data: z.base64() })).max(SITE_KEY_FILES.length),
  /** The file `site.keyring` (docs/decisions/0300), when there is one: former vault keys. Earlier software leaves it out, and passes over it. */
  ring: z.base64().max(16_384).optional(),
  /** Of the shared name, when a person chose to hand it over. PEM; the key in PKCS #8. */
  webCertificate: z.object({ certificatePem: z.string().max(100_000), keyPem: z.string().max(20_000) }).nullable(),
});
export type SiteKeys = z.infer<typeof siteKeys>;

/** What a side says of itself to whoever has the same pre-shared key. */
export const establishFacts = z.object({
  appliance: z.string().max(253),
  /** Of the site's software, and of its package with the hash of what was staged. */
  version: z.string().max(64),
  packages: z.object({ base: z.string().max(200).nullable(), site: z.string().max(200) }),
  pairVersions: z.array(z.number().int().positive()).min(1).max(8),
  /** Of site.db, and the newest that the software knows. */
  schema: z.number().int().nonnegative(),
  knownSchema: z.number().int().nonnegative(),
  role: pairRole,
  /** With whom it is in a relationship that was not broken. */
  relationship: z.object({ keySha256: sha256Hex, appliance: z.string().max(253) }).nullable(),
  freeBytes: byteCount.nullable(),
  /** By which people and clients reach it. */
  sharedName: z.object({ host: z.string().max(255), port: z.number().int().min(1).max(65_535) }),
  /** DNS names and addresses that its web certificate is good for. */
  certificateNames: z.array(z.string().max(255)).max(100),
  stored: z.object({
    users: z.number().int().nonnegative(),
    jumpItems: z.number().int().nonnegative(),
    sessions: z.number().int().nonnegative(),
    databaseBytes: byteCount,
    recordingBytes: byteCount,
    fileBytes: byteCount,
  }),
});
export type EstablishFacts = z.infer<typeof establishFacts>;

/** What both sides write down of a relationship. */
export const establishOffer = z.object({
  id: z.uuid(),
  /** The person at the primary. */
  by: z.string().max(200),
  mode: pairMode,
  /** Whether the web certificate of the shared name goes over too. */
  withCertificate: z.boolean(),
  primary: endpoint,
  backup: endpoint,
  /** Of the primary. */
  appliance: z.string().max(253),
  version: z.string().max(64),
});
export type EstablishOffer = z.infer<typeof establishOffer>;

/** Dialler → answerer, sealed. */
export const establishCall = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('facts') }),
  z.object({ kind: z.literal('clock') }),
  /** To the backup: dial the primary back, prove the same key there, and measure how fast bytes come. */
  z.object({ kind: z.literal('reverse'), primary: endpoint }),
  /** To the primary, on the connection that it was dialled back with. */
  z.object({ kind: z.literal('measure'), bytes: z.number().int().positive().max(ESTABLISH_MEASURE_MAX_BYTES) }),
  /** Keys are taken in and kept sealed; nothing is replaced yet. A second time with the same id replaces the first. */
  z.object({ kind: z.literal('prepare'), offer: establishOffer, keys: siteKeys }),
  /** The primary has decided: the backup archives what it has, and becomes one. Idempotent. */
  z.object({ kind: z.literal('commit'), id: z.uuid(), statement: signedStatement.nullable() }),
  z.object({ kind: z.literal('cancel'), id: z.uuid() }),
  /** To the primary, by a backup that has prepared and heard no more. */
  z.object({ kind: z.literal('outcome'), id: z.uuid() }),
]);
export type EstablishCall = z.infer<typeof establishCall>;

export const ESTABLISH_OUTCOMES = ['unknown', 'offered', 'prepared', 'committed', 'adopting', 'done', 'cancelled'] as const;
/** Answerer → dialler, sealed. Without `ok` there is a code (`FAILOVER_...`) and a sentence. */
export const establishAnswer = z.object({
  ok: z.boolean(),
  code: z.string().max(60).optional(),
  message: z.string().max(1000).optional(),
  /** Why an address was not reached: a word of pair.md 4.4. */
  why: z.string().max(40).optional(),
  facts: establishFacts.optional(),
  timeMs: instantMs.optional(),
  bytesPerSecond: z.number().nonnegative().optional(),
  padding: z.string().optional(),
  outcome: z.enum(ESTABLISH_OUTCOMES).optional(),
});
export type EstablishAnswer = z.infer<typeof establishAnswer>;
