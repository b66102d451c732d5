/** The Appliance Download Key (B70-B73; package-format 6): says which appliance asks and what it has, signed, good for 24 minutes. */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { instantMs, line, sha256Hex } from '@bascule/protocol/text.ts';
import { applianceIdOf, publicKeyText } from './appliance-key.ts';
import { readSignedText, SIGNATURE_BYTES, signText } from './signed-text.ts';

/** B71. */
export const DOWNLOAD_KEY_LIFE_MS = 24 * 60_000;
/** By how much the appliance's clock may be ahead of the reader's. */
export const DOWNLOAD_KEY_CLOCK_LEEWAY_MS = 5 * 60_000;
const DOWNLOAD_KEY_LIMIT_CHARACTERS = 16_384;
const RUNTIMES_LIMIT = 50;
const LINE_CHARACTERS = 64;
const CONTEXT = 'bascule-download-key/1';
const BEGIN = '-----BEGIN KEY-----';
const END = '-----END KEY-----';

const payloadSchema = z.object({
  format: z.literal(CONTEXT),
  publicKey: z.string().max(100),
  applianceName: line(200),
  installed: z.object({ base: packageVersion, site: packageVersion, runtimes: z.array(sha256Hex).max(RUNTIMES_LIMIT) }),
  rootVersion: z.number().int().nonnegative(),
  createdAtMs: instantMs,
  expiresAtMs: instantMs,
  nonce: z.string().regex(/^[0-9A-Za-z_-]{16,64}$/),
});

export interface DownloadKey {
  /** SHA-256 of the public key; the bundle names it. */
  applianceId: string;
  /** base64 of the SPKI. */
  publicKey: string;
  applianceName: string;
  installed: { base: string; site: string; runtimes: string[] };
  /** The newest TUF root that the appliance trusts, 0 for none: the bundle brings those after it. */
  rootVersion: number;
  createdAtMs: number;
  expiresAtMs: number;
  /** Random; the update server sends one whole file for each (package-format 6.3). */
  nonce: string;
}

/**
 * Makes a download key as PEM-like text, good for 24 minutes from `nowMs`. `nonce` is 16 to 64 characters of base64url. Throws a ZodError when a field is not
 * what the format allows.
 */
export function createDownloadKey(options: {
  privateKey: KeyObject;
  applianceName: string;
  installed: { base: string; site: string; runtimes: string[] };
  rootVersion: number;
  nowMs: number;
  nonce: string;
}): string {
  const { privateKey, nowMs, ...rest } = options;
  const payload = JSON.stringify(
    payloadSchema.parse({
      format: CONTEXT,
      publicKey: publicKeyText(privateKey),
      ...rest,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + DOWNLOAD_KEY_LIFE_MS,
    }),
  );
  const body = Buffer.concat([signText(privateKey, CONTEXT, payload), Buffer.from(payload)]).toString('base64');
  const lines = body.match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'g')) ?? [];
  return `${[BEGIN, ...lines, END].join('\n')}\n`;
}

/**
 * Reads and verifies a download key. White space around and between the lines does not count, since mail programs change it. Throws
 * `DOWNLOAD_KEY_MALFORMED`, `DOWNLOAD_KEY_SIGNATURE`, `DOWNLOAD_KEY_EXPIRED` or `DOWNLOAD_KEY_FROM_THE_FUTURE`.
 */
export function readDownloadKey(text: string, nowMs: number): DownloadKey {
  const form = { context: CONTEXT, schema: payloadSchema };
  const { value, publicKey } = readSignedText(partsOf(text), form, { malformed, signature: altered });
  const { format: _format, ...key } = value;
  checkTime(key, nowMs);
  return { ...key, applianceId: applianceIdOf(publicKey) };
}

function checkTime(key: { createdAtMs: number; expiresAtMs: number }, nowMs: number): void {
  if (key.expiresAtMs > key.createdAtMs + DOWNLOAD_KEY_LIFE_MS) throw malformed();
  if (nowMs >= key.expiresAtMs)
    throw new AppError(
      'invalid',
      'DOWNLOAD_KEY_EXPIRED',
      'This download key has expired: it is good for 24 minutes. Make a new one on the appliance; if that one is refused too, check the time of the appliance.',
    );
  if (nowMs < key.createdAtMs - DOWNLOAD_KEY_CLOCK_LEEWAY_MS)
    throw new AppError(
      'invalid',
      'DOWNLOAD_KEY_FROM_THE_FUTURE',
      'This download key is dated in the future: the clock of the appliance is ahead. Set it under Networking > NTP, then make a new key.',
    );
}

function partsOf(text: string): { signature: Buffer; payload: string } {
  if (text.length > DOWNLOAD_KEY_LIMIT_CHARACTERS) throw malformed();
  const trimmed = text.trim();
  if (!trimmed.startsWith(BEGIN) || !trimmed.endsWith(END)) throw malformed();
  const body = trimmed.slice(BEGIN.length, -END.length).replace(/\s+/g, '');
  const bytes = Buffer.from(body, 'base64');
  if (bytes.toString('base64') !== body || bytes.length <= SIGNATURE_BYTES) throw malformed();
  const payload = bytes.subarray(SIGNATURE_BYTES);
  if (!Buffer.from(payload.toString('utf8')).equals(payload)) throw malformed();
  return { signature: bytes.subarray(0, SIGNATURE_BYTES), payload: payload.toString('utf8') };
}

function altered(): AppError {
  return new AppError(
    'invalid',
    'DOWNLOAD_KEY_SIGNATURE',
    'This download key was altered: its signature does not fit. Copy the whole key again from Appliance > Updates.',
  );
}

function malformed(): AppError {
  return new AppError(
    'invalid',
    'DOWNLOAD_KEY_MALFORMED',
    `This is no download key. Copy the whole text from ${BEGIN} to ${END} of Appliance > Updates.`,
  );
}
