import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LANGUAGES, type ApiError, type Language } from '@bascule/protocol/api/common.ts';
import type { InstallationStep } from '@bascule/protocol/api/updates.ts';
import { progressTexts, type ProgressTexts } from './front-progress-texts.ts';

const RETRY_AFTER_SECONDS = 2;

/** What the page tells of an installation: nothing that would need a login. */
export interface InstallationSummary {
  step: InstallationStep;
  startedAtMs: number;
}

/** As much of a restore. */
export interface RestoreSummary {
  isRestore: true;
  startedAtMs: number;
}

const style = `
:root{color-scheme:light dark;--ground:#f6f7f9;--panel:#fff;--line:#d9dde3;--text:#1b2330;--quiet:#5b6675;--mark:#2f6fd0}
@media (prefers-color-scheme:dark){:root{--ground:#12161c;--panel:#1a2029;--line:#2b333f;--text:#e4e8ee;--quiet:#97a3b4;--mark:#6ea3f0}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);color:var(--text);font:14px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:1rem;padding:1.5rem 1.75rem;background:var(--panel);border:1px solid var(--line);border-radius:6px}
h1{margin:0 0 .5rem;font-size:1.05rem;font-weight:600}p{margin:.25rem 0}.hint{color:var(--quiet)}
.bar{height:2px;margin-top:1.25rem;overflow:hidden;background:var(--line)}.bar i{display:block;width:30%;height:100%;background:var(--mark);animation:go 1.4s ease-in-out infinite alternate}
@keyframes go{to{transform:translateX(233%)}}@media (prefers-reduced-motion:reduce){.bar i{animation:none}}`;

const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function page(language: Language, summary: InstallationSummary | RestoreSummary | undefined): Buffer {
  const texts = progressTexts[language];
  const { title, lines } = said(texts, summary);
  return Buffer.from(`<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${RETRY_AFTER_SECONDS}"><title>${title}</title><style>${style}</style></head>
<body><main role="status"><h1>${title}</h1>${lines.map((line) => `<p>${line}</p>`).join('')}<p class="hint">${texts.hint}</p><div class="bar"><i></i></div></main></body></html>
`);
}

function said(
  texts: ProgressTexts,
  summary: InstallationSummary | RestoreSummary | undefined,
): { title: string; lines: string[] } {
  if (summary === undefined) return { title: texts.title, lines: [texts.wait] };
  const since = `${texts.since}: ${Math.max(0, Math.round((Date.now() - summary.startedAtMs) / 1000))}`;
  if ('isRestore' in summary) return { title: texts.restoreTitle, lines: [texts.restoreWait, since] };
  return { title: texts.upgradeTitle, lines: [texts.upgradeWait, `${texts.step}: ${texts.steps[summary.step]}`, since] };
}

/**
 * Answers 503 while the site is away: to a person who opens a page, a page that loads itself again and tells of the installation that is under way; to a
 * program, `apiError`. Neither holds anything that depends on who asks, but the language.
 */
export function answerSiteAway(
  request: IncomingMessage,
  response: ServerResponse,
  summary?: InstallationSummary | RestoreSummary,
): void {
  const headers = {
    'cache-control': 'no-store',
    'retry-after': String(RETRY_AFTER_SECONDS),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': contentSecurityPolicy,
  };
  // What is left of a body is not read: the connection ends with this answer.
  if (!request.complete) response.setHeader('connection', 'close');
  if (isNavigation(request)) {
    const language = preferredLanguage(request.headers['accept-language']);
    const body = page(language, summary);
    response.writeHead(503, {
      ...headers,
      'content-type': 'text/html; charset=utf-8',
      'content-length': body.length,
      'content-language': language,
      vary: 'accept-language',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
    return;
  }
  const error: ApiError = {
    error: {
      code: 'SITE_UNAVAILABLE',
      message: summary
        ? `${'isRestore' in summary ? 'A backup is being restored' : 'An upgrade is running'} and the site is away for a moment; try again in a few seconds.`
        : 'The site is starting or stopped; try again in a few seconds.',
      requestId: randomUUID(),
    },
  };
  const body = Buffer.from(JSON.stringify(error));
  response
    .writeHead(503, { ...headers, 'content-type': 'application/json; charset=utf-8', 'content-length': body.length })
    .end(body);
}

function isNavigation(request: IncomingMessage): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  if (/^\/api(?:[/?]|$)/.test(request.url ?? '')) return false;
  const mode = request.headers['sec-fetch-mode'];
  return mode === undefined ? (request.headers.accept ?? '').includes('text/html') : mode === 'navigate';
}

/** The language of ours that `acceptLanguage` (RFC 9110, 12.5.4) likes best; English when it likes none. */
export function preferredLanguage(acceptLanguage: string | undefined): Language {
  const wishes = (acceptLanguage ?? '')
    .slice(0, 1000)
    .split(',')
    .map((wish) => {
      const [tag = '', ...params] = wish.trim().toLowerCase().split(';');
      const quality = params.map((param) => /^\s*q=([\d.]+)/.exec(param)?.[1]).find((value) => value !== undefined);
      return { language: tag.trim().split('-')[0] as Language, quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter((wish) => LANGUAGES.includes(wish.language) && wish.quality > 0);
  return wishes.sort((a, b) => b.quality - a.quality)[0]?.language ?? 'en';
}
