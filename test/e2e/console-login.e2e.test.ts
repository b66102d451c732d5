/** A person lets the installed console log in, in a real browser: what it asks, with the keyboard, in another language, and what a stranger's code looks like. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { TestBrowser } from '@bascule/testkit/browser.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { TestConsole } from '../../apps/console/src/testing.ts';
import { LoginPage, text } from './pages.ts';

const PASSWORD = 'a long enough password';
/** A folder in which pictures of the page are left, for whoever wants to look. */
const PICTURES = process.env['BASCULE_TEST_PICTURES'];

let appliance: LaunchedAppliance;
let person: ApiClient;
let browser: TestBrowser;

before(async () => {
  appliance = await launchAppliance();
  person = await ApiClient.pin(appliance.url);
  await person.takeOver(appliance.passwords.login, PASSWORD);
  browser = await TestBrowser.launch();
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await appliance?.[Symbol.asyncDispose]();
});

async function picture(name: string): Promise<void> {
  if (PICTURES !== undefined) await browser.page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

/** Begins `bascule login`; gives the printed address and how it ends. */
async function beginLogin(name: string) {
  const console = new TestConsole(join(appliance.directory, name));
  const { fingerprint256 } = new X509Certificate(String(person.agent.options.ca));
  let url: string | undefined;
  const ran = console.run(['login', appliance.url, '--fingerprint', fingerprint256], (err) => {
    url = /https:\S+code=\S+/.exec(err)?.[0];
  });
  const printed = await waitUntil('the console prints the address', () => url);
  return { console, ran, url: printed, code: new URL(printed).searchParams.get('code') ?? '' };
}

test('the page opens after the login, shows the code and the machine, and lets the console in', async () => {
  const { page } = browser;
  const { console, ran, url, code } = await beginLogin('desk');
  await page.goto(url);
  await new LoginPage(page).logIn('admin', PASSWORD);
  await page.getByText(code, { exact: true }).waitFor();
  await page.getByText(text('login:consoleLogin.sameAddress')).waitFor();
  await picture('console-login-asked');
  // By keyboard: from the last fact on, the first stop is the button that confirms.
  await page.getByRole('button', { name: text('login:consoleLogin.grant') }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('status').filter({ hasText: 'admin' }).waitFor();
  await picture('console-login-granted');
  const { code: exitCode, err } = await ran;
  assert.equal(exitCode, 0, err);
  assert.equal((await console.run(['ls', '--json'])).out.trim(), '[]');
  await page.goto(`${appliance.url}/login/account`);
  await page.getByText(/^bascule \S+ on /).waitFor();
});

test('a code can be typed, in any case; what is refused gets nothing; a used code is not known any more', async () => {
  const { page } = browser;
  const { ran, code } = await beginLogin('typed');
  await page.goto(`${appliance.url}/login/console-login`);
  await page.getByLabel(text('login:consoleLogin.code'), { exact: true }).fill(code.toLowerCase().replace('-', ''));
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: text('login:consoleLogin.refuse') }).click();
  assert.equal((await ran).code, 77);
  await page.goto(`${appliance.url}/login/console-login?code=${code}`);
  await page.getByText(text('login:consoleLogin.unknown')).waitFor();
  await picture('console-login-unknown');
  assert.deepEqual(
    browser.complaints.filter((complaint) => !complaint.includes('404') && !complaint.includes('401')),
    [],
  );
});
