/** /appliance > Updates as a box administrator uses it: by role and label, in the texts of the interface itself. */
import type { Locator, Page } from 'playwright-core';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { LoginPage, text } from './pages.ts';

/** An installation with its watch period, on a machine that does other things too. */
const INSTALLATION_LIMIT_MS = 90_000;
/** Looking for updates, reading an uploaded file. */
const ANSWER_LIMIT_MS = 30_000;

/** In one line; the mark that says a state by its shape and colour is no word. */
function withoutMark(shown: string): string {
  return shown
    .replace(/^[●▲○✕]/, '')
    .replace(/\s+/g, ' ')
    .trim();
}

export class UpdatesPage {
  readonly page: Page;
  readonly #url: string;

  constructor(page: Page, applianceUrl: string) {
    this.page = page;
    this.#url = applianceUrl;
  }

  /** The first login of all, with the one-time password; then, by its tab, Updates. */
  async logInFirst(oneTimePassword: string, password: string): Promise<void> {
    const login = new LoginPage(this.page);
    await this.page.goto(`${this.#url}/appliance`);
    await login.logIn('admin', oneTimePassword);
    await login.chooseNewPassword(password);
    await this.tab('appliance:tab.updates');
  }

  /** A later login; it ends at the page that was asked for. */
  async logIn(password: string): Promise<void> {
    await this.page.goto(`${this.#url}/appliance/updates/available`);
    await new LoginPage(this.page).logIn('admin', password);
    await this.page.getByRole('heading', { name: text('updates:available.title'), exact: true }).waitFor();
  }

  /** Follows a link of the tabs; the pages of a tab stand in a second row. */
  async tab(name: string): Promise<void> {
    await this.page
      .getByRole('link', { name: text(name), exact: true })
      .last()
      .click();
  }

  button(name: string, values?: Record<string, string>): Locator {
    return this.page.getByRole('button', { name: text(name, values), exact: true });
  }

  headline(kind: string, values?: Record<string, string>): Locator {
    return this.page.getByRole('status').filter({ hasText: text(`updates:headline.${kind}`, values) });
  }

  /** Updates > Settings: the server's address, unless there is none, and how long a new version is watched. */
  async setUp({ server, watchSeconds }: { server?: string; watchSeconds: number }): Promise<void> {
    await this.tab('appliance:tab.updatesSettings');
    if (server !== undefined) await this.page.getByLabel(text('updates:settings.serverUrl'), { exact: true }).fill(server);
    await this.page.getByLabel(text('updates:settings.watchSeconds')).fill(String(watchSeconds));
    await this.button('shared:save').click();
    await waitUntil('the settings are saved', () => this.button('shared:save').isDisabled());
  }

  /** The fingerprint as it is shown, without the gaps between its groups. */
  async fetchFingerprint(): Promise<string> {
    await this.button('updates:trust.fetch').click();
    const shown = this.page.getByRole('group', { name: text('updates:trust.fingerprint') }).locator('code');
    return (await shown.innerText()).replace(/\s/g, '');
  }

  async confirmTrust(): Promise<void> {
    await this.page.getByLabel(text('updates:trust.compared')).check();
    await this.button('updates:trust.confirm').click();
    await this.button('updates:trust.confirm').waitFor({ state: 'detached' });
  }

  async checkForUpdates(): Promise<void> {
    await this.tab('appliance:tab.updates');
    await this.button('updates:available.check').click();
    await this.headline('ready_one', { count: '1' }).waitFor({ timeout: ANSWER_LIMIT_MS });
  }

  offer(name: string): Locator {
    return this.page.getByRole('list', { name: text('updates:available.title') }).getByRole('listitem', { name, exact: true });
  }

  /** Types the name below the agreement, when it is asked for. */
  async acceptAgreement(name: string): Promise<void> {
    await this.page.getByLabel(text('updates:eula.name'), { exact: true }).fill(name);
    await this.button('updates:eula.accept').click();
  }

  /** Waits for the check of the appliance and overrules its warnings by name; what is left is the click that begins. */
  async readyToBegin(): Promise<Locator> {
    const begin = this.button('updates:install.confirm.install');
    await this.page.getByRole('list', { name: text('updates:install.preflight') }).waitFor({ timeout: ANSWER_LIMIT_MS });
    for (const warning of await this.page.getByRole('dialog').getByRole('checkbox').all()) await warning.check();
    await waitUntil('the installation may begin', () => begin.isEnabled());
    return begin;
  }

  async beginInstalling(name: string): Promise<void> {
    await (await this.readyToBegin()).click();
    await this.progress(name).waitFor();
  }

  /** The section that shows what goes on. */
  progress(name: string, operation: 'install' | 'roll-back' = 'install'): Locator {
    return this.page.getByRole('heading', { name: text(`updates:operation.${operation}`, { name }), exact: true });
  }

  /** Waits until this page, which saw it running, says that it is installed. */
  async installed(name: string): Promise<void> {
    await this.page
      .getByRole('status')
      .filter({ hasText: text('updates:ended.installed', { name }) })
      .waitFor({ timeout: INSTALLATION_LIMIT_MS });
  }

  /** Waits until this page, which saw it running, says that the appliance went back. */
  async wentBack(name: string): Promise<void> {
    await this.page
      .getByRole('status')
      .filter({ hasText: text('updates:ended.wentBack', { name }) })
      .waitFor({ timeout: INSTALLATION_LIMIT_MS });
  }

  /** Every line of the verification, when none is under way any more. */
  async verification(): Promise<string[]> {
    const heading = this.page.getByRole('heading', { name: text('updates:verify.title'), exact: true });
    const lines = this.page.locator('section', { has: heading }).getByRole('listitem');
    return waitUntil('the verification has ended', async () => {
      const texts = (await lines.allInnerTexts()).map(withoutMark);
      const isUnderWay = texts.some((line) =>
        (['running', 'waiting'] as const).some((state) => line.startsWith(`${text(`updates:verify.state.${state}`)}:`)),
      );
      return texts.length > 0 && !isUnderWay && texts;
    });
  }

  async rollBack(name: string): Promise<void> {
    await this.button('updates:installed.rollBackName', { name }).click();
    await this.page
      .getByRole('dialog')
      .getByRole('button', { name: text('updates:installed.rollBack'), exact: true })
      .click();
  }

  /** The rows of History, newest first, each as its cells' texts. */
  async history(): Promise<string[][]> {
    await this.tab('appliance:tab.updatesHistory');
    const rows = this.page.getByRole('table', { name: text('updates:history.title') }).locator('tbody tr');
    await rows.first().getByRole('button').waitFor();
    const cells = await Promise.all((await rows.all()).map((row) => row.getByRole('cell').allInnerTexts()));
    await this.tab('appliance:tab.updates');
    return cells.map((row) => row.map(withoutMark));
  }

  /** By which the update server knows the appliance. */
  async publicKey(): Promise<string> {
    await this.tab('appliance:tab.updatesSettings');
    const key = await this.page
      .getByRole('group', { name: text('updates:publicKey.title'), exact: true })
      .locator('code')
      .innerText();
    await this.tab('appliance:tab.updates');
    return key;
  }

  /** A new download key, as it is shown. */
  async downloadKey(): Promise<string> {
    await this.button('updates:key.generate').click();
    return this.page
      .getByRole('group', { name: text('updates:key.title'), exact: true })
      .locator('code')
      .innerText();
  }

  /** Chooses a file to upload, as the button's dialogue does. */
  async upload(file: string): Promise<void> {
    await this.page.locator('input[type=file]').setInputFiles(file);
  }

  /** The one sentence with which something on this page was refused. */
  async refusal(): Promise<string> {
    // Not a notification, which stands beside the page.
    const alert = this.page.getByRole('main').getByRole('alert');
    await alert.waitFor({ timeout: ANSWER_LIMIT_MS });
    return (await alert.innerText()).trim();
  }

  rolledBackBanner(name: string): Locator {
    return this.page.getByRole('alert').filter({ hasText: text('updates:rolledBack.title', { name }) });
  }
}

/** The page of the update server: a download key goes in, one file comes out. Answers where it was saved. */
export async function redeemOnPage(page: Page, serverUrl: string, key: string, saveAs: string): Promise<string> {
  await page.goto(serverUrl);
  await page.locator('textarea').fill(key);
  await page.locator('form button').click();
  await page.locator('form[action="/redeem"] button').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('form[action="/redeem"] button').click()]);
  await download.saveAs(saveAs);
  return saveAs;
}
