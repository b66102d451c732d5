import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { addressKey } from '@bascule/core/address-key.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { StreamLimit } from '@bascule/http/stream-limit.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import * as api from '@bascule/protocol/api/console.ts';
import type { ClientSoftware, UpgradeOrder } from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { id, sha256Hex } from '@bascule/protocol/text.ts';
import { noSuchParcel } from './console-errors.ts';
import type { ConsoleLogins } from './console-logins.ts';
import { vouchFor, type VouchingIdentity } from './console-vouch.ts';

/** Requests of consoles carry little. */
const BODY_LIMIT_BYTES = 4096;
/** `BCDF-GHJK`, typed in either case. */
const CODE_TEXT = /^[A-Za-z]{4}-[A-Za-z]{4}$/;
/** The oldest console whose requests this site understands. */
export const OLDEST_CONSOLE = '0.1.0';
/** A version that is none: any program the site has is the next one. */
const NO_VERSION = '0.0.0';

/** What is needed of the programs that the site keeps (class ClientPrograms). */
export interface ConsolePrograms {
  readonly current: { version: string; revision: string };
  order(software: ClientSoftware, failed?: string): Promise<Omit<UpgradeOrder, 'order' | 'healthSeconds'> | { problem: string }>;
  parcelFile(sha256: string): { file: string; bytes: number } | undefined;
}

export interface ConsoleRoutesOptions {
  /** The appliance's name. */
  site: string;
  programs: ConsolePrograms;
  /** FleetSettings.consoleTls. */
  consoleTls(): 'refuse' | 'site-identity';
  identity: VouchingIdentity;
  /** Of a failover pair: where the site may be. Absent, or none: at its name alone. */
  addresses?(): { host: string; port: number }[];
  /** Base64 of the SHA-256 of the public key that the web is served with now. */
  webKeyPin(): string;
  /** Of all that anybody may fetch without a login. */
  publicStreams: StreamLimit;
}

const codeParams = z.object({ code: z.string().regex(CODE_TEXT) });

/** protocol/api/console.ts: what consoles ask about themselves and the site's certificate. */
export function consoleRoutes(options: ConsoleRoutesOptions): AnyRoute[] {
  return [...programRoutes(options), vouchRoute(options)];
}

/** protocol/api/console.ts: logging in through the browser. */
export function consoleLoginRoutes(logins: ConsoleLogins): AnyRoute[] {
  return [...loginRoutes(logins), ...confirmationRoutes(logins)];
}

function loginRoutes(logins: ConsoleLogins): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/console/logins',
      action: 'public',
      rate: 'login',
      body: api.beginConsoleLoginBody,
      bodyLimitBytes: BODY_LIMIT_BYTES,
      answer: api.begunConsoleLogin,
      handle({ body, context }) {
        const begun = logins.begin(body, context.address);
        return { ...begun, path: `/login/console-login?code=${begun.code}` };
      },
    }),
    route({
      method: 'POST',
      url: '/console/logins/:id/collect',
      action: 'public',
      params: z.object({ id: id('consoleLogin') }),
      body: api.collectConsoleLoginBody,
      bodyLimitBytes: BODY_LIMIT_BYTES,
      answer: api.collectedConsoleLogin,
      handle({ params, body, loginCookie }) {
        const collected = logins.collect(params.id, body.secret);
        if (collected.state !== 'granted') return collected;
        loginCookie.set(collected.login.cookie);
        return { state: 'granted', user: collected.login.principal.name };
      },
    }),
  ];
}

function confirmationRoutes(logins: ConsoleLogins): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/console/logins/by-code/:code',
      action: 'console-logins.decide',
      rate: 'login',
      params: codeParams,
      answer: api.consoleLoginAsked,
      handle({ params, context }) {
        const asked = logins.asked(params.code);
        return { ...asked, sameAddress: addressKey(asked.address) === addressKey(context.address ?? '') };
      },
    }),
    route({
      method: 'POST',
      url: '/console/logins/by-code/:code/decide',
      action: 'console-logins.decide',
      rate: 'login',
      params: codeParams,
      body: api.decideConsoleLoginBody,
      answer: ok,
      handle({ params, body, principal, context }) {
        logins.decide(context, principal, params.code, body.grant);
        return { ok: true };
      },
    }),
  ];
}

function programRoutes({ site, programs, consoleTls, addresses, publicStreams }: ConsoleRoutesOptions): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/console/about',
      action: 'public',
      query: api.consoleAboutQuery,
      answer: api.consoleAbout,
      async handle({ query }) {
        const order = await programs.order(softwareOf(query), query.failed);
        const next = 'problem' in order ? undefined : order;
        const places = addresses?.() ?? [];
        return {
          site,
          ...programs.current,
          supported: isSupported(query.version),
          bundleVersion: next?.version ?? null,
          bundle: next === undefined ? null : { target: next.target, sha256: next.sha256, parcel: next.parcel },
          runtime: next?.runtime ?? null,
          root: next?.root ?? null,
          tls: consoleTls(),
          ...(places.length > 0 && { addresses: places }),
        };
      },
    }),
    route({
      method: 'GET',
      url: '/console/parcels/:sha256',
      action: 'public',
      params: z.object({ sha256: sha256Hex }),
      handle({ params, context, reply }) {
        const found = programs.parcelFile(params.sha256);
        if (found === undefined) throw noSuchParcel();
        publicStreams.enter(context.address, reply.raw);
        return reply
          .headers({ 'content-type': 'application/octet-stream', 'content-length': found.bytes })
          .send(createReadStream(found.file));
      },
    }),
  ];
}

function vouchRoute({ identity, webKeyPin }: ConsoleRoutesOptions): AnyRoute {
  return route({
    method: 'POST',
    url: '/console/vouch',
    action: 'public',
    rate: 'login',
    body: api.vouchBody,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    answer: api.vouched,
    handle: ({ body }) => vouchFor(webKeyPin(), body.nonce, identity),
  });
}

/** A console that does not say what it is came before this question was asked. */
function isSupported(version: string | undefined): boolean {
  return version === undefined || (packageVersion.safeParse(version).success && compareVersions(version, OLDEST_CONSOLE) >= 0);
}

/** A console as the site's upgrades know client programs. Only version, platform and runtime matter for what is next. */
function softwareOf({ version, platform, runtime }: z.infer<typeof api.consoleAboutQuery>): ClientSoftware {
  return {
    program: 'console',
    version: version ?? NO_VERSION,
    revision: '',
    platform: platform ?? 'linux-x64',
    mode: 'passive',
    bundle: null,
    runtime: runtime ?? null,
    upgradable: true,
    trial: false,
    dials: { host: '', port: 443, proxy: false },
    freeBytes: null,
    authority: '0'.repeat(64),
  };
}
