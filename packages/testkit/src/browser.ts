import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

/** Where Debian (and its relatives) put Chromium. */
const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** What keeps a browser from talking to anybody but the page's server. */
const QUIET = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--disable-features=OptimizationHints,MediaRouter,DialMediaRouteProvider,CertificateTransparencyComponentUpdater',
  '--metrics-recording-only',
  '--no-first-run',
  '--no-pings',
];

/** A browser with one page; complaints of the page (exceptions, errors on the console) are collected. */
export class TestBrowser implements AsyncDisposable {
  readonly browser: Browser;
  readonly context: BrowserContext;
  readonly page: Page;
  readonly complaints: string[] = [];

  private constructor(browser: Browser, context: BrowserContext, page: Page) {
    this.browser = browser;
    this.context = context;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(`exception: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`console: ${message.text()}`);
    });
  }

  /** Starts Debian's chromium. Throws when there is none: `npm test` installs it. */
  static async launch(): Promise<TestBrowser> {
    const executablePath = EXECUTABLES.find((path) => existsSync(path));
    if (executablePath === undefined) throw new Error('there is no Chromium: apt-get install chromium');
    const args = process.getuid?.() === 0 ? [...QUIET, '--no-sandbox'] : QUIET;
    const browser = await chromium.launch({ executablePath, args });
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      locale: 'en-GB',
      viewport: { width: 1280, height: 800 },
      permissions: [],
    });
    return new TestBrowser(browser, context, await context.newPage());
  }

  /** The text of the terminal in front, through the page's test hook: xterm.js draws it. */
  async terminalText(): Promise<string> {
    return this.page.evaluate(
      () => (globalThis as { bascule?: { terminalText?: () => string } }).bascule?.terminalText?.() ?? '',
    );
  }

  /** The text of the recording player's terminal. */
  async playerText(): Promise<string> {
    return this.page.evaluate(() => (globalThis as { bascule?: { playerText?: () => string } }).bascule?.playerText?.() ?? '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}
