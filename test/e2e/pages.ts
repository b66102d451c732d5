/** The pages as a person finds their way on them: by role and label, in the texts of the interface itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import type { TestBrowser } from '@bascule/testkit/browser.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

type Texts = { [key: string]: string | Texts };

/** The English text `login:newPassword.next`, with values filled in. */
export function text(key: string, values: Record<string, string> = {}): string {
  const [file = '', path = ''] = key.split(':');
  let found: string | Texts = JSON.parse(
    readFileSync(join(CHECKOUT, 'apps', 'web', 'src', 'i18n', 'en', `${file}.json`), 'utf8'),
  ) as Texts;
  for (const part of path.split('.')) found = typeof found === 'string' ? '' : (found[part] ?? '');
  if (typeof found !== 'string' || found === '') throw new Error(`the interface has no text ${key}`);
  return found.replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? '');
}

/** Login and the forced change of a one-time password: the same at /login and /appliance. */
export class LoginPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async logIn(name: string, password: string): Promise<void> {
    await this.page.getByLabel(text('login:name'), { exact: true }).fill(name);
    await this.page.getByLabel(text('login:password'), { exact: true }).fill(password);
    await this.page.getByRole('button', { name: text('login:logIn'), exact: true }).click();
  }

  async chooseNewPassword(password: string): Promise<void> {
    await this.page.getByText(text('login:newPassword.forced')).waitFor();
    await this.page.getByLabel(text('login:newPassword.next'), { exact: true }).fill(password);
    await this.page.getByLabel(text('login:newPassword.repeat'), { exact: true }).fill(password);
    await this.page.getByRole('button', { name: text('login:newPassword.set') }).click();
  }
}

export class ConsolePage {
  readonly browser: TestBrowser;
  readonly page: Page;

  constructor(browser: TestBrowser) {
    this.browser = browser;
    this.page = browser.page;
  }

  /** One click in the row of the Jump Item. */
  async jump(name: string): Promise<void> {
    await this.page.getByRole('button', { name: text('console:jumpTo', { name }) }).click();
  }

  /** The mark below the terminal that says how things stand. */
  phase(phase: 'live' | 'reconnecting' | 'client-away' | 'ended'): Locator {
    return this.page.getByRole('status').filter({ hasText: text(`console:phase.${phase}`) });
  }

  /** Types as a keyboard does, into the terminal that has the focus. */
  async type(keys: string): Promise<void> {
    await this.page.keyboard.type(keys);
  }

  async press(key: string): Promise<void> {
    await this.page.keyboard.press(key);
  }

  async untilShown(expected: string): Promise<void> {
    await waitUntil(
      `the terminal shows ${JSON.stringify(expected)}`,
      async () => (await this.browser.terminalText()).includes(expected),
      60_000,
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; it shows:\n${await this.browser.terminalText()}`, { cause: error });
    });
  }

  async endSession(): Promise<void> {
    await this.page.getByRole('button', { name: text('console:bar.end') }).click();
    await this.page
      .getByRole('dialog')
      .getByRole('button', { name: text('console:close.end') })
      .click();
  }

  /** The bar that says why the session is over. */
  endedBar(): Locator {
    return this.page.getByRole('alert').filter({ hasText: text('console:ended.heading') });
  }

  /** Where the link to the recording leads. */
  async recordingUrl(): Promise<string> {
    const href = await this.endedBar()
      .getByRole('link', { name: text('console:ended.recording') })
      .getAttribute('href');
    if (href === null) throw new Error('the ended session has no link to its recording');
    return href;
  }
}

/** The page of one access session, with the player of its recording. */
export class AccessSessionPage {
  readonly browser: TestBrowser;
  readonly page: Page;

  constructor(browser: TestBrowser) {
    this.browser = browser;
    this.page = browser.page;
  }

  /** Moves the seek bar to the end: what the terminal showed last. */
  async seekToEnd(): Promise<void> {
    const bar = this.page.getByRole('slider', { name: text('player:position') });
    await bar.waitFor();
    await bar.focus();
    await bar.press('End');
  }

  async untilShown(expected: string): Promise<void> {
    await waitUntil(`the player shows ${JSON.stringify(expected)}`, async () =>
      (await this.browser.playerText()).includes(expected),
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; it shows:\n${await this.browser.playerText()}`, { cause: error });
    });
  }

  /** A fact of the page, by its label. */
  fact(value: string): Locator {
    return this.page.getByText(value, { exact: true }).first();
  }
}
