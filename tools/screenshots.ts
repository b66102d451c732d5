/**
 * Takes a picture of every page in both themes for docs/screenshots: `node_modules/.bin/node tools/screenshots.ts [PART OF A NAME | updates | failover | plans | box]`. Needs
 * Debian's chromium. As root it runs under a machine name and address of its own (`unshare`), so that no picture shows where it was taken.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { CHECKOUT } from '../packages/testkit/src/launch-appliance.ts';
import { TestBrowser } from '../packages/testkit/src/browser.ts';
import { waitUntil } from '../packages/testkit/src/wait-until.ts';
import { toPalettePng } from './screenshots/palette-png.ts';
import { takeBoxLogin } from './screenshots/box-login.ts';
import { takeFailover } from './screenshots/failover.ts';
import { createInstaller, lookForLosses, takeRollout, walkWizard } from './screenshots/fleet.ts';
import { makeScene, PASSWORD, quiet, type Scene } from './screenshots/scene.ts';
import { takePlans } from './screenshots/plans.ts';
import { takeUpdates } from './screenshots/updates.ts';

const FOLDER = join(CHECKOUT, 'docs', 'screenshots');
const TOTAL_MAX_BYTES = 5 * 1024 * 1024;
const VIEWPORT = { width: 1440, height: 900 };
const THEMES = ['light', 'dark'] as const;
/** Fonts, a first answer of every list, the end of a short animation. */
const SETTLE_MS = 700;
/** How long the recording plays before its picture is taken. */
const PLAYED_MS = 4500;
/** The part that takes minutes of its own: packages are built and installed. */
const UPDATES = 'updates';
/** The states of a failover pair, in one theme: they are many. */
const FAILOVER = 'failover';
/** A real pair is upgraded by a plan, in one theme. */
const PLANS = 'plans';
/** Backups, vault key, file store: in one theme. */
const BOX = 'box';
const APPLIANCE_NAME = 'alpha';
const SET_UP = `hostname ${APPLIANCE_NAME}; ip link set lo up; ip link add eth0 type bridge; ip addr add 192.0.2.10/24 dev eth0; ip link set eth0 up`;

/** Pages by file name; each opens one address and brings it into the state that is worth seeing. */
const SITE_PAGES: Record<string, (page: Page, url: string, scene: Scene) => Promise<void>> = {
  'login-status': (page, url) => open(page, `${url}/login/status`),
  'login-my-account': (page, url) => open(page, `${url}/login/account`),
  'login-downloads': (page, url) => open(page, `${url}/login/account/downloads`),
  'login-jump-clients': (page, url) => open(page, `${url}/login/jump/clients`),
  'login-jump-groups': (page, url) => open(page, `${url}/login/jump/groups`),
  'login-client-settings': (page, url) => open(page, `${url}/login/jump/client-settings`),
  'login-installer-wizard': walkWizard,
  'login-installers': createInstaller,
  'login-trust': lookForLosses,
  'login-installer-tokens': (page, url) => open(page, `${url}/login/jump/installer-tokens`),
  'login-installer-token-created': createToken,
  'login-users': (page, url) => open(page, `${url}/login/users-security/users`),
  'login-security': (page, url) => open(page, `${url}/login/users-security/settings`),
  'login-access-sessions': (page, url) => open(page, `${url}/login/reports/access-sessions`),
  'login-recording': playRecording,
  'login-audit': (page, url) => open(page, `${url}/login/reports/audit`),
  console: (page, url) => open(page, `${url}/console`),
  'console-terminal': openTerminal,
};
const BOX_PAGES: typeof SITE_PAGES = {
  'appliance-basics': (page, url) => open(page, `${url}/appliance/status`),
  'appliance-users': (page, url) => open(page, `${url}/appliance/users`),
  'appliance-ip-configuration': (page, url) => open(page, `${url}/appliance/networking/addresses`),
  'appliance-traffic': (page, url) => open(page, `${url}/appliance/networking/traffic`),
  'appliance-my-account': (page, url) => open(page, `${url}/appliance/account`),
};

const isApart = process.env['SCREENSHOTS_APART'] === '1';
if (!isApart) await buildPages();
if (process.getuid?.() === 0 && !isApart) process.exitCode = runApart();
else await takeAll();

/** As `npm start` does: the pages of this checkout, not of yesterday's. */
async function buildPages(): Promise<void> {
  const module = join(CHECKOUT, 'tools', 'entry', 'install.mjs');
  const { ensureInstalled } = (await import(module)) as { ensureInstalled(needs: { web: boolean }): Promise<void> };
  await ensureInstalled({ web: true });
}

/** This script again, with a machine name and a network of its own. */
function runApart(): number {
  const command = `${SET_UP}; exec "$@"`;
  const run = spawnSync('unshare', ['--uts', '--net', 'sh', '-c', command, 'sh', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, SCREENSHOTS_APART: '1' },
  });
  return run.status ?? 1;
}

async function takeAll(): Promise<void> {
  const wanted = process.argv[2] ?? '';
  mkdirSync(FOLDER, { recursive: true });
  if (wanted === '') for (const file of readdirSync(FOLDER)) if (file.endsWith('.png')) rmSync(join(FOLDER, file));
  const complaints = [UPDATES, FAILOVER, PLANS, BOX].includes(wanted) ? [] : await takeEveryday(wanted);
  if (wanted === '' || wanted === UPDATES)
    await takeUpdates((page, name, options) => shoot(page, name, () => Promise.resolve(), options), VIEWPORT);
  if (wanted === '' || wanted === FAILOVER) await takePair();
  if (wanted === '' || wanted === PLANS) await takeUpgradePlan();
  if (wanted === '' || wanted === BOX) await takeBox();
  report(complaints);
}

async function takePair(): Promise<void> {
  await using browser = await TestBrowser.launch();
  await browser.page.setViewportSize(VIEWPORT);
  await takeFailover(browser.page, (page, name, isWhole) =>
    shoot(page, name, () => Promise.resolve(), { fullPage: isWhole, themes: ['light'] }),
  );
}

async function takeBox(): Promise<void> {
  await using browser = await TestBrowser.launch();
  await browser.page.setViewportSize(VIEWPORT);
  await takeBoxLogin(browser.page, (page, name, isWhole) =>
    shoot(page, name, () => Promise.resolve(), { fullPage: isWhole, themes: ['light'] }),
  );
}

async function takeUpgradePlan(): Promise<void> {
  await using browser = await TestBrowser.launch();
  await takePlans(browser.browser, (page, name, isWhole) =>
    shoot(page, name, () => Promise.resolve(), { fullPage: isWhole, themes: ['light'] }),
  );
}

/** All but Updates, the failover pair and its upgrade plan; gives what the pages complained about. */
async function takeEveryday(wanted: string): Promise<string[]> {
  await using scene = await makeScene();
  await using browser = await TestBrowser.launch();
  const { page } = browser;
  await page.setViewportSize(VIEWPORT);
  const { url, passwords } = scene.appliance;
  await shoot(page, 'login', (shown) => open(shown, `${url}/login`));
  await logIn(page, `${url}/login`, PASSWORD);
  await shootAll(page, SITE_PAGES, url, scene, wanted);
  await scene.duplicate();
  if ('login-conflict'.includes(wanted)) await shoot(page, 'login-conflict', (shown) => open(shown, `${url}/login/jump/clients`));
  await open(page, `${url}/appliance`);
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(passwords.appliance);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByLabel('New password', { exact: true }).waitFor();
  await shoot(page, 'appliance-new-password', () => delay(SETTLE_MS));
  await page.getByLabel('New password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('New password again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('link', { name: 'My account' }).waitFor();
  await shootAll(page, BOX_PAGES, url, scene, wanted);
  if ('login-client-upgrades'.includes(wanted))
    await takeRollout(page, (shown, name) => shoot(shown, name, () => Promise.resolve()));
  return browser.complaints;
}

async function shootAll(page: Page, pages: typeof SITE_PAGES, url: string, scene: Scene, wanted: string): Promise<void> {
  for (const [name, bring] of Object.entries(pages))
    if (name.includes(wanted)) await shoot(page, name, (shown) => bring(shown, url, scene));
}

/** One file per theme. */
async function shoot(
  page: Page,
  name: string,
  bring: (page: Page) => Promise<void>,
  options: { fullPage: boolean; themes?: readonly (typeof THEMES)[number][] } = { fullPage: false },
): Promise<void> {
  try {
    await bring(page);
    // A notification that somebody is told of is no part of the page.
    await page.locator('.mantine-Notification-root').waitFor({ state: 'detached' });
    // The whole page: the window gets as high as it, so that what stands at the window's end stands at the page's end.
    const height = options.fullPage ? await page.evaluate(() => document.documentElement.scrollHeight) : VIEWPORT.height;
    await page.setViewportSize({ ...VIEWPORT, height });
    for (const theme of options.themes ?? THEMES) {
      await page.emulateMedia({ colorScheme: theme });
      await delay(SETTLE_MS);
      writeFileSync(join(FOLDER, `${name}-${theme}.png`), toPalettePng(await page.screenshot()));
    }
    await page.setViewportSize(VIEWPORT);
    process.stdout.write(`${name}\n`);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${name} could not be taken: ${(error as Error).message}\n`);
  }
}

async function open(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.locator('main').waitFor();
  await delay(SETTLE_MS);
}

async function logIn(page: Page, address: string, password: string): Promise<void> {
  await open(page, address);
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByRole('link', { name: 'Reports' }).waitFor();
}

async function createToken(page: Page, url: string): Promise<void> {
  await open(page, `${url}/login/jump/installer-tokens`);
  await page.getByRole('button', { name: 'Create installer token' }).click();
  await page.getByLabel('Name').fill('Web servers, November');
  await page.getByLabel('Number of machines').fill('20');
  await page.getByRole('dialog').getByRole('button', { name: 'Create installer token' }).click();
  await page.getByText('I have copied it').waitFor();
}

async function playRecording(page: Page, url: string, scene: Scene): Promise<void> {
  await open(page, `${url}/login/reports/access-sessions/${scene.played}`);
  await page.getByRole('button', { name: /^Play/ }).click();
  await delay(PLAYED_MS);
}

async function openTerminal(page: Page, url: string): Promise<void> {
  await open(page, `${url}/console`);
  await page.getByRole('button', { name: 'Jump to web-01' }).click();
  await page.locator('.xterm').waitFor();
  const text = () => page.evaluate(() => (globalThis as { bascule?: { terminalText?: () => string } }).bascule?.terminalText?.());
  await waitUntil('the prompt is there', async () => (await text())?.trim() || undefined);
  for (const command of ['cd /etc && ls --color=always -d a*.d c*.d l*.d p*.d', 'head -n 4 os-release']) {
    await page.keyboard.type(`${command}\n`);
    await quiet(text);
  }
}

/** What the pages complained about, and whether the pictures are small enough. */
function report(complaints: string[]): void {
  for (const complaint of new Set(complaints)) process.stderr.write(`the page complained: ${complaint}\n`);
  const total = readdirSync(FOLDER).reduce((sum, file) => sum + statSync(join(FOLDER, file)).size, 0);
  process.stdout.write(`${(total / 1024 / 1024).toFixed(2)} MB in docs/screenshots\n`);
  if (total > TOTAL_MAX_BYTES) {
    process.exitCode = 1;
    process.stderr.write(`That is more than ${TOTAL_MAX_BYTES / 1024 / 1024} MB: fewer pages, or smaller ones.\n`);
  }
}
