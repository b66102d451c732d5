import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { AppError } from '@bascule/errors/app-error.ts';
import { pagePolicy, type ContentSecurityPolicy } from './security-headers.ts';

/** In an HTML file of the build: replaced by the nonce of this answer. */
export const NONCE_PLACEHOLDER = '__CSP_NONCE__';
const NONCE_BYTES = 16;

export interface PagesOptions {
  prefix: string;
  staticRoot: string;
  pages: Record<string, string>;
  redirects?: Record<string, string>;
  contentSecurityPolicy?: Record<string, ContentSecurityPolicy>;
}

/** Serves the pages, the redirects, and the assets of a build of apps/web (hashed names: kept for good; precompressed where the build made it). */
export function registerPages(app: FastifyInstance, options: PagesOptions): void {
  for (const [url, file] of Object.entries(options.pages)) {
    app.get(url, async (_request, reply) => {
      const nonce = randomBytes(NONCE_BYTES).toString('base64url');
      const html = await readPage(join(options.staticRoot, file));
      reply.header('content-security-policy', pagePolicy(nonce, options.contentSecurityPolicy?.[url]));
      return reply.type('text/html; charset=utf-8').send(html.replaceAll(NONCE_PLACEHOLDER, nonce));
    });
  }
  for (const [url, target] of Object.entries(options.redirects ?? {}))
    app.get(url, (_request, reply) => reply.redirect(target, 302));
  const assets = join(options.staticRoot, 'assets');
  if (!existsSync(assets)) return;
  app.register(fastifyStatic, {
    root: assets,
    prefix: options.prefix.replace(/api$/, 'assets/'),
    preCompressed: true,
    index: false,
    cacheControl: false,
    setHeaders: (reply) => void reply.header('cache-control', 'public, max-age=31536000, immutable'),
  });
}

async function readPage(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new AppError('unavailable', 'PAGES_NOT_BUILT', 'The web interface is not built here; `npm start` builds it.', {
      cause: error,
    });
  }
}
