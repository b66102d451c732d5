import { join } from 'node:path';
import { sitePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { siteStart, type SiteStart } from '@bascule/protocol/base-site.ts';

export interface SiteConfig extends SiteStart {
  paths: ReturnType<typeof sitePaths>;
  /** The built web interface. */
  webDir: string;
  /** The program that people verify recordings and audit exports with. */
  verifyTool: string;
  /** The key that wraps secrets in site.db. */
  keyFile: string;
  /** What is shown before a login; base says it. */
  loginBanner: { text: string };
}

/** Reads `BASCULE_SITE` (protocol/base-site.ts). Throws `SITE_CONFIG_INVALID`, which names the field and never shows the value. */
export function readConfig(environment: Record<string, string | undefined>): SiteConfig {
  const parsed = siteStart.safeParse(parseJson(environment['BASCULE_SITE']));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(`${['BASCULE_SITE', ...(issue?.path ?? [])].join('.')}: ${issue?.message}`);
  }
  return completeConfig(parsed.data);
}

/** Adds what follows from `start`. */
export function completeConfig(start: SiteStart): SiteConfig {
  const paths = sitePaths(start.siteDir, start.runDir);
  return {
    ...start,
    paths,
    webDir: join(start.softwareDir, 'apps', 'web', 'dist', 'site'),
    verifyTool: join(start.softwareDir, 'tools', 'verify', 'verify.mjs'),
    keyFile: join(paths.keys, 'site.key'),
    loginBanner: { text: '' },
  };
}

/** How people and clients reach the site; `webKeyPin` and names come with base. */
export function siteUrl({ publicHost, publicPort }: Pick<SiteStart, 'publicHost' | 'publicPort'>): string {
  const host = publicHost.includes(':') ? `[${publicHost}]` : publicHost;
  return `https://${host}${publicPort === 443 ? '' : `:${publicPort}`}`;
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) throw invalid('BASCULE_SITE: is missing; base starts this program and sets it');
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('BASCULE_SITE: is not JSON');
  }
}

function invalid(message: string): AppError {
  return new AppError('invalid', 'SITE_CONFIG_INVALID', message);
}
