/** Management > Failover and Management > Security of one appliance, as a person finds their way on them. */
import { join } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { LoginPage, text } from './pages.ts';

const FAILOVER = '/login/management/failover';
const SECURITY = '/login/management/security';
/** A folder in which pictures of the page are left, for whoever wants to look. */
const PICTURES = process.env['BASCULE_TEST_PICTURES'];
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 420, height: 800 };
/** A first copy, a change of roles, an appliance that starts: on a machine that does much else, too. */
const LIMIT_MS = 90_000;
/** What a page says of answers that it did not get: the appliance was away, or somebody had to log in again. */
const EXPECTED = /Failed to load resource|WebSocket connection|ERR_|net::/;

export type Action = 'sync' | 'refresh' | 'becomePrimary' | 'becomeBackup' | 'break' | 'split' | 'fix' | 'establish';

export class FailoverPage {
  readonly page: Page;
  readonly url: string;
  /** What the two appliances are called, as texts name them. */
  readonly names: { self: string; peer: string };
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page, url: string, names: { self: string; peer: string }) {
    this.#context = context;
    this.page = page;
    this.url = url;
    this.names = names;
    page.setDefaultTimeout(LIMIT_MS);
    page.on('pageerror', (error) => this.complaints.push(`exception: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' && !EXPECTED.test(message.text())) this.complaints.push(`console: ${message.text()}`);
    });
  }

  /** A browser of its own, whose person is logged in at `url`. */
  static async open(browser: Browser, url: string, names: { self: string; peer: string }): Promise<FailoverPage> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB', viewport: WIDE });
    const opened = new FailoverPage(context, await context.newPage(), url, names);
    await opened.page.goto(`${url}/login`);
    await opened.logIn();
    return opened;
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  async logIn(): Promise<void> {
    await new LoginPage(this.page).logIn('admin', SITE_PASSWORD);
    await this.page.getByRole('link', { name: text('login:tab.management') }).waitFor();
  }

  async toFailover(): Promise<void> {
    await this.page.goto(`${this.url}${FAILOVER}`);
    await this.page.locator('main h2').first().waitFor();
  }

  async toSecurity(): Promise<void> {
    await this.page.goto(`${this.url}${SECURITY}`);
    await this.page.getByText(text('failover:key.title')).first().waitFor();
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name: text(name), exact: true });
  }

  get dialog(): Locator {
    return this.page.getByRole('dialog');
  }

  /** Waits for the sentence that says how things stand. */
  async headline(kind: string): Promise<void> {
    await this.page
      .getByRole('status')
      .filter({ hasText: text(`failover:headline.${kind}`, this.names) })
      .waitFor();
  }

  /** Presses one of the page's buttons; the question is open then. */
  async ask(action: Action): Promise<void> {
    await this.button(`failover:action.${action}`).click();
    await this.dialog.waitFor();
  }

  /** Accepts what the question wants accepted, if anything, and says yes. */
  async confirm(action: Action, accept?: string): Promise<void> {
    if (accept !== undefined) await this.dialog.getByLabel(accept).check();
    await this.dialog.getByRole('button', { name: text(`failover:action.${action}`), exact: true }).click();
    await this.dialog.waitFor({ state: 'detached' });
  }

  /** The value beside a label of the page's figures. */
  figure(label: string): Locator {
    return this.page
      .locator('dl > div')
      .filter({ has: this.page.getByRole('term').getByText(text(label), { exact: true }) })
      .getByRole('definition');
  }

  /** Both themes, and a narrow window. */
  async picture(name: string): Promise<void> {
    if (PICTURES === undefined) return;
    const file = (kind: string) => join(PICTURES, `${name}-${this.names.self}-${kind}.png`);
    for (const theme of ['dark', 'light'] as const) {
      await this.page.emulateMedia({ colorScheme: theme });
      await this.page.screenshot({ path: file(theme), fullPage: true });
    }
    await this.page.setViewportSize(NARROW);
    await this.page.screenshot({ path: file('narrow'), fullPage: true });
    await this.page.setViewportSize(WIDE);
  }
}
