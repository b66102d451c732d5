/** The pages of the update server: HTML made here, without scripts, in the visitor's language. */
import type { Language } from '@bascule/protocol/api/common.ts';
import { LANGUAGES } from '@bascule/protocol/api/common.ts';
import { html, joined, type Html } from './html.ts';
import type { Redemption } from './bundles.ts';
import type { PackageRelease } from './offers.ts';
import { PAGE_TEXTS, type PageTexts } from './page-texts.ts';

/** Nothing but our own style sheet and forms to ourselves. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const CONTENT_LANGUAGES = new Set<string>(LANGUAGES);

export interface Visitor {
  language: Language;
  /** The address by which people reach this server, without a slash at its end. */
  url: string;
  nowMs: number;
}

/** The first language of an Accept-Language header that we have (RFC 9110, 12.5.4); English otherwise. */
export function languageOf(header: string | undefined): Language {
  const wanted = (header ?? '')
    .slice(0, 500)
    .split(',')
    .map((part) => {
      const [tag = '', ...parameters] = part.trim().toLowerCase().split(';');
      const quality = parameters.map((parameter) => /^\s*q=([\d.]+)$/.exec(parameter)?.[1]).find((value) => value !== undefined);
      return { language: tag.split('-')[0] ?? '', quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ language, quality }) => CONTENT_LANGUAGES.has(language) && quality > 0)
    .sort((one, other) => other.quality - one.quality);
  return (wanted[0]?.language as Language | undefined) ?? 'en';
}

/** Page `/`: where a download key is put in. `problem`: why the last one was refused. */
export function keyPage(visitor: Visitor, problem?: { code: string; message: string }): string {
  const text = PAGE_TEXTS[visitor.language];
  return frame(
    visitor,
    text.keyTitle,
    'home',
    html`${problem === undefined ? '' : alert(text, problem)}
      <p>${text.keyIntroduction}</p>
      <form method="post" action="/packages">
        <label for="key">${text.keyLabel}</label>
        <textarea
          id="key"
          name="key"
          rows="12"
          required
          spellcheck="false"
          autocomplete="off"
          autocapitalize="off"
          maxlength="16384"
          aria-describedby="key-hint"
          placeholder="-----BEGIN KEY-----&#10;…&#10;-----END KEY-----"
        ></textarea>
        <p id="key-hint" class="hint">${text.keyHint}</p>
        <button type="submit">${text.keySubmit}</button>
      </form>
      <h2>${text.commandTitle}</h2>
      <p>${text.commandIntroduction}</p>
      <pre><code>curl --fail-with-body -F key=@key.txt ${visitor.url}/redeem -o appliance.bascule-update</code></pre>`,
  );
}

/** What a key is good for, and the button that downloads it. */
export function packagesPage(visitor: Visitor, redemption: Redemption, keyText: string): string {
  const text = PAGE_TEXTS[visitor.language];
  const { packages, key, appliance, path } = redemption;
  const totalBytes = packages.reduce((sum, one) => sum + one.bytes, 0);
  const hasWait = path.some(({ action }) => action === 'wait-for-clients');
  return frame(
    visitor,
    text.packagesTitle(appliance.name),
    'home',
    html`<p>${text.packagesIntroduction(key.installed.base, key.installed.site)}</p>
      <div class="table">
        <table>
          <caption>
            ${text.packagesCaption}
          </caption>
          <thead>
            <tr>
              <th scope="col" class="number">${text.columnOrder}</th>
              <th scope="col">${text.columnPackage}</th>
              <th scope="col">${text.columnVersion}</th>
              <th scope="col" class="number">${text.columnSize}</th>
            </tr>
          </thead>
          <tbody>
            ${joined(
              packages.map(
                (one, index) =>
                  html`<tr>
                    <td class="number">${index + 1}</td>
                    <th scope="row">
                      ${one.kind === undefined ? text.runtime : text.kinds[one.kind]}
                      ${one.isEmergency ? html` <span class="mark">${text.emergency}</span>` : ''}
                      ${one.downloadedAtMs === undefined ? '' : html`<span class="hint">${text.downloadedOn(date(one.downloadedAtMs, visitor))}</span>`}
                    </th>
                    <td>${one.version === '' ? '–' : one.version}</td>
                    <td class="number">${size(one.bytes, visitor)}</td>
                  </tr>`,
              ),
            )}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colspan="3">${text.total}</th>
              <td class="number">${size(totalBytes, visitor)}</td>
            </tr>
          </tfoot>
        </table>
      </div>
      ${hasWait ? html`<p class="note">${text.waits}</p>` : ''}
      <form method="post" action="/redeem">
        <input type="hidden" name="key" value="${keyText}" />
        <button type="submit">${text.download}</button>
        <p class="hint">${text.keyExpires(time(key.expiresAtMs))}</p>
      </form>
      <p>${text.nextStep}</p>`,
  );
}

/** Page `/changes`: the notes of every release, newest first (B39). Licences name their holders and are left out. */
export function changesPage(visitor: Visitor, releases: readonly PackageRelease[]): string {
  const text = PAGE_TEXTS[visitor.language];
  const shown = releases
    .filter(({ manifest }) => manifest.kind !== 'licence')
    .toSorted((one, other) => other.manifest.releasedAtMs - one.manifest.releasedAtMs || (one.target < other.target ? -1 : 1));
  return frame(
    visitor,
    text.changesTitle,
    'changes',
    shown.length === 0
      ? html`<p>${text.noChanges}</p>`
      : joined(
          shown.map(({ manifest }) => {
            const language = manifest.notes[visitor.language] === undefined ? 'en' : visitor.language;
            return html`<article>
              <h2>${text.kinds[manifest.kind]} ${manifest.version}</h2>
              <p class="hint">
                <time datetime="${new Date(manifest.releasedAtMs).toISOString()}">${date(manifest.releasedAtMs, visitor)}</time>
                ${manifest.emergency ? html` <span class="mark">${text.emergency}</span>` : ''}
                ${manifest.upgradesClients ? html` · ${text.upgradesClients}` : ''}
              </p>
              <div lang="${language}">${notes(manifest.notes[language] ?? manifest.notes.en)}</div>
            </article>`;
          }),
        ),
  );
}

/** Notes as written: paragraphs, and lists of lines that begin with a hyphen or an asterisk. */
function notes(text: string): Html {
  const blocks = text.trim().split(/\n\s*\n/);
  return joined(
    blocks.map((block) => {
      const lines = block.split('\n').map((line) => line.trim());
      const isList = lines.every((line) => /^[-*] /.test(line));
      return isList
        ? html`<ul>
            ${joined(lines.map((line) => html`<li>${line.slice(2)}</li>`))}
          </ul>`
        : html`<p>${lines.join(' ')}</p>`;
    }),
  );
}

function alert(text: PageTexts, problem: { code: string; message: string }): Html {
  return html`<div class="alert" role="alert">
    <strong>${text.refused}</strong> ${text.problems[problem.code] ?? problem.message}
  </div>`;
}

function frame(visitor: Visitor, title: string, page: 'home' | 'changes', content: Html): string {
  const text = PAGE_TEXTS[visitor.language];
  const link = (name: 'home' | 'changes', address: string, label: string): Html =>
    html`<a href="${address}" ${name === page ? html`aria-current="page"` : ''}>${label}</a>`;
  return html`<!doctype html>
    <html lang="${visitor.language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title} · ${text.product}</title>
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="/icon.svg" />
      </head>
      <body>
        <a class="skip" href="#content">${text.skip}</a>
        <header>
          <p class="brand"><img src="/icon.svg" alt="" width="28" height="28" /> ${text.product}</p>
          <nav aria-label="${text.navigation}">
            ${link('home', '/', text.linkHome)} ${link('changes', '/changes', text.linkChanges)}
          </nav>
        </header>
        <main id="content">
          <h1>${title}</h1>
          ${content}
        </main>
        <footer><p>${text.serverTime(time(visitor.nowMs))}</p></footer>
      </body>
    </html> `.text;
}

function size(bytes: number, { language }: Visitor): string {
  const units = ['B', 'kB', 'MB', 'GB'] as const;
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: power === 0 ? 0 : 1 }).format(bytes / 1000 ** power);
  return `${number}\u{00A0}${units[power]}`;
}

function date(ms: number, { language }: Visitor): string {
  return new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, { dateStyle: 'long', timeZone: 'UTC' }).format(ms);
}

/** To the minute, in UTC: the visitor's zone is not known without a script. */
function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
