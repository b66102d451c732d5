/** Site interface: the installed console `bascule` logs in through the browser, and asks which build it should be (B90-B93). */
import { z } from 'zod';
import { clientPlatform, clientSettings } from '../client-program.ts';
import { packageVersion } from '../package-manifest.ts';
import { id, instantMs, line, sha256Hex } from '../text.ts';

/** POST console/logins (no login): begins. The console keeps `secret`; a person confirms `code` in the browser. */
export const beginConsoleLoginBody = z.object({
  /** SHA-256 of the console's secret. */
  secretSha256: sha256Hex,
  machine: line(128),
  version: line(64),
});
export const begunConsoleLogin = z.object({
  id: id('consoleLogin'),
  /** Shown on both sides, such as `BCDF-GHJK`. */
  code: z.string(),
  /** Path below the site's address, to be opened in a browser: `/login/console-login?code=...`. */
  path: z.string(),
  expiresAtMs: instantMs,
});
/** POST console/logins/:id/collect {secret}: `waiting`, or once the login session (cookie and CSRF token as a browser's). */
export const collectConsoleLoginBody = z.object({ secret: z.string().min(32).max(200) });
export const collectedConsoleLogin = z.discriminatedUnion('state', [
  z.object({ state: z.literal('waiting') }),
  z.object({ state: z.literal('refused') }),
  z.object({ state: z.literal('granted'), user: z.string() }),
]);
/** GET console/logins/by-code/:code (logged in): what is to be confirmed. POST console/logins/by-code/:code/decide {grant}. */
export const consoleLoginAsked = z.object({
  machine: z.string(),
  version: z.string(),
  address: z.string(),
  /** The console asks from the address that the browser has: usually the same desk. */
  sameAddress: z.boolean(),
  askedAtMs: instantMs,
});
export const decideConsoleLoginBody = z.object({ grant: z.boolean() });

/** What the console that asks says of itself; all absent: only what the site has is wanted. */
export const consoleAboutQuery = z.object({
  version: line(64).optional(),
  platform: clientPlatform.optional(),
  /** SHA-256 of the runtime's signed archive, when it is known. */
  runtime: sha256Hex.optional(),
  /** The newest version that it could not run: what comes after it goes first. */
  failed: packageVersion.optional(),
});
/** GET console/about (no login): which console this site has, and who vouches for its certificate. */
export const consoleAbout = z.object({
  site: z.string(),
  version: z.string(),
  revision: z.string(),
  /** Whether this site still talks to the console that asks; false: it must be upgraded first. */
  supported: z.boolean(),
  /** The version of `bundle`: the next one for the console that asks. */
  bundleVersion: z.string().nullable(),
  /** What to fetch (GET console/parcels/:sha256, no login; signed like every bundle); null when there is none. */
  bundle: z
    .object({ target: z.string(), sha256: sha256Hex, parcel: z.object({ sha256: sha256Hex, bytes: z.number().int() }) })
    .nullable(),
  runtime: z
    .object({ target: z.string(), sha256: sha256Hex, parcel: z.object({ sha256: sha256Hex, bytes: z.number().int() }) })
    .nullable(),
  /** The trusted root (base64), for a console that has none yet: what the site vouches for. */
  root: z.string().max(40_000).nullable(),
  tls: z.enum(['refuse', 'site-identity']),
  /** Of a failover pair: where the site may be besides its name. */
  addresses: clientSettings.shape.addresses,
});
/** POST console/vouch {nonce, keySha256}: the site identity signs `"bascule-vouch/1\n" + nonce + "\n" + keySha256` for the web key in force (no login). */
export const vouchBody = z.object({ nonce: z.string().regex(/^[0-9a-f]{64}$/) });
export const vouched = z.object({ keySha256: sha256Hex, signature: z.string(), chain: z.array(z.string()).max(16) });
