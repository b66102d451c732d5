/** What a person in a test of the standby sees when the scratch copy does not answer: never a page that hangs, and always the way out. */
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LANGUAGES, type ApiError, type Language } from '@bascule/protocol/api/common.ts';
import { LEAVE_REHEARSAL_PATH } from '@bascule/protocol/rehearsal.ts';
import { SECURITY_HEADERS } from '@bascule/http/security-headers.ts';

const RETRY_AFTER_SECONDS = 3;
const WISHES_MAX_CHARACTERS = 1000;

/** `away`: no answer came. */
export type AwayReason = 'away' | 'too-large' | 'malformed';
const STATUS: Record<AwayReason, number> = { away: 503, 'too-large': 413, malformed: 400 };
const ERRORS: Record<AwayReason, { code: string; message: string }> = {
  away: {
    code: 'REHEARSAL_AWAY',
    message: 'The test of the standby does not answer: try again in a few seconds, or leave the test.',
  },
  'too-large': { code: 'BODY_TOO_LARGE', message: 'The request is too large for a test of the standby.' },
  malformed: { code: 'REQUEST_MALFORMED', message: 'The request is malformed: a header or its address is wrong.' },
};

const TEXTS: Record<Language, { title: string; text: string; hint: string; leave: string }> = {
  en: {
    title: 'The test of the standby does not answer',
    text: 'The backup or the line to it does not answer, or the test has just ended. The site itself goes on.',
    hint: 'This page tries again by itself.',
    leave: 'Leave the test',
  },
  de: {
    title: 'Der Test des Backups antwortet nicht',
    text: 'Das Backup oder die Leitung dorthin antwortet nicht, oder der Test ist gerade zu Ende gegangen. Die Site selbst läuft weiter.',
    hint: 'Diese Seite versucht es von selbst noch einmal.',
    leave: 'Test verlassen',
  },
  nl: {
    title: 'De test van de stand-by antwoordt niet',
    text: 'De back-up of de lijn ernaartoe antwoordt niet, of de test is net afgelopen. De site zelf gaat door.',
    hint: 'Deze pagina probeert het vanzelf opnieuw.',
    leave: 'Test verlaten',
  },
  it: {
    title: 'La prova dello standby non risponde',
    text: 'Il backup o la linea verso di esso non è raggiungibile, oppure la prova è appena terminata. Il sito stesso continua.',
    hint: 'Questa pagina riprova da sola.',
    leave: 'Esci dalla prova',
  },
};

const style = `
:root{color-scheme:light dark;--ground:#f6f7f9;--panel:#fff;--line:#d9dde3;--text:#1b2330;--quiet:#5b6675;--mark:#2f6fd0}
@media (prefers-color-scheme:dark){:root{--ground:#12161c;--panel:#1a2029;--line:#2b333f;--text:#e4e8ee;--quiet:#97a3b4;--mark:#6ea3f0}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);color:var(--text);font:14px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:1rem;padding:1.5rem 1.75rem;background:var(--panel);border:1px solid var(--line);border-radius:6px}
h1{margin:0 0 .5rem;font-size:1.05rem;font-weight:600}p{margin:.25rem 0}.hint{color:var(--quiet)}a{color:var(--mark)}`;
const contentSecurityPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** Answers `request` in the place of the scratch copy: a page with the way out to a person, `apiError` to a program. */
export function answerTestAway(request: IncomingMessage, response: ServerResponse, reason: AwayReason): void {
  const headers = { ...SECURITY_HEADERS, 'cache-control': 'no-store', 'content-security-policy': contentSecurityPolicy };
  // What is left of a body is not read: the connection ends with this answer.
  if (!request.complete) response.setHeader('connection', 'close');
  const isPage = isNavigation(request);
  const body = Buffer.from(isPage ? pageIn(languageOf(request.headers['accept-language'])) : errorText(reason));
  response.writeHead(STATUS[reason], {
    ...headers,
    ...(reason === 'away' && { 'retry-after': String(RETRY_AFTER_SECONDS) }),
    ...(isPage && { vary: 'accept-language' }),
    'content-type': isPage ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    'content-length': body.length,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function errorText(reason: AwayReason): string {
  const error: ApiError = { error: { ...ERRORS[reason], requestId: randomUUID() } };
  return JSON.stringify(error);
}

function pageIn(language: Language): string {
  const { title, text, hint, leave } = TEXTS[language];
  return `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${RETRY_AFTER_SECONDS}"><title>${title}</title><style>${style}</style></head>
<body><main role="alert"><h1>${title}</h1><p>${text}</p><p class="hint">${hint}</p><p><a href="${LEAVE_REHEARSAL_PATH}">${leave}</a></p></main></body></html>
`;
}

function isNavigation({ method, url = '', headers }: IncomingMessage): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || /^\/(?:api|stream)(?:[/?]|$)/.test(url)) return false;
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? (headers.accept ?? '').includes('text/html') : mode === 'navigate';
}

/** The first language of ours in `acceptLanguage`; English when there is none. */
function languageOf(acceptLanguage = ''): Language {
  const wishes = acceptLanguage.slice(0, WISHES_MAX_CHARACTERS).toLowerCase().split(',');
  const tags = wishes.map((wish) => wish.trim().split(/[-;]/)[0]);
  return LANGUAGES.find((language) => language === tags.find((tag) => LANGUAGES.some((one) => one === tag))) ?? 'en';
}
