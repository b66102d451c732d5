/** A picture of each state of a failover pair; a real one is in most of them for a moment only. */
import type { Page } from 'playwright-core';
import { backupState, previewOf, primaryState, states, testOf } from '../../test/e2e/failover-fixture/answers.ts';
import { FailoverServer } from '../../test/e2e/failover-fixture/failover-server.ts';
import { text } from '../../test/e2e/pages.ts';

/** File name → state. */
const PICTURES: Record<string, string> = {
  'failover-first-copy': 'first-copy',
  'failover-primary': 'primary',
  'failover-primary-alone': 'primary-alone',
  'failover-backup': 'backup',
  'failover-primary-unreachable': 'primary-unreachable',
  'failover-read-only': 'read-only',
  'failover-restored': 'restored',
  'failover-broken': 'broken',
  'failover-both-primary': 'both-primary',
};

/** `shoot` takes the picture `name` of what `page` shows; `isWhole`: to its end, not only what a window shows. */
export async function takeFailover(
  page: Page,
  shoot: (page: Page, name: string, isWhole: boolean) => Promise<void>,
): Promise<void> {
  await using server = new FailoverServer();
  const url = await server.listen();
  const own = await page.context().newPage();
  const open = async (state: string) => {
    server.state = states()[state] ?? backupState();
    await own.goto(`${url}/login/management/failover`);
    await own.locator('main h2').first().waitFor();
  };
  try {
    for (const [name, state] of Object.entries(PICTURES)) {
      await open(state);
      await shoot(own, name, false);
    }
    await open('rehearsal');
    await own.getByRole('heading', { name: text('failover:rehearsal.title'), exact: true }).scrollIntoViewIfNeeded();
    await own.locator('section', { has: own.locator('ol') }).evaluate((section) => section.scrollIntoView({ block: 'center' }));
    await shoot(own, 'failover-rehearsal', false);
    server.state = primaryState();
    server.test = testOf('inside');
    await own.goto(`${url}/login/account`);
    await own.getByRole('link', { name: text('shared:test.leave') }).waitFor();
    await shoot(own, 'failover-rehearsal-inside', false);
    server.test = undefined;
    await open('primary-unreachable');
    await button(own, 'failover:action.becomePrimary').click();
    await shoot(own, 'failover-become-primary', false);
    await open('none');
    server.preview = previewOf();
    await own.getByLabel(text('failover:establish.host')).first().fill('192.0.2.12');
    await button(own, 'failover:establish.check').click();
    await own.getByText(text('failover:preview.fine')).waitFor();
    await shoot(own, 'failover-not-configured', true);
    server.key = { isSet: true, checkValue: '7c41f09b', changedAtMs: Date.now() };
    await own.goto(`${url}/login/management/security`);
    await button(own, 'failover:key.generate').click();
    await own.getByText(text('failover:key.generatedNote')).waitFor();
    await shoot(own, 'failover-pre-shared-key', false);
  } finally {
    await own.close();
  }
}

function button(page: Page, name: string) {
  return page.getByRole('button', { name: text(name), exact: true });
}
