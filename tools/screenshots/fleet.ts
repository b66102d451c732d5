/** The pictures of the fleet: the wizard and its installers, who would be lost, and a rollout over 15,000 clients that only answer. */
import type { Page } from 'playwright-core';
import { FleetServer } from '../../test/e2e/fleet-fixture/fleet-server.ts';
import { text } from '../../test/e2e/pages.ts';

const NAME = 'Branch offices, November';

/** The wizard in its second step, on a real appliance. */
export async function walkWizard(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/login/jump/installers/new`);
  await button(page, 'installers:wizard.next').click();
  await page.getByRole('combobox', { name: text('installers:tags') }).fill('rotterdam');
  await page.keyboard.press('Enter');
  await button(page, 'installers:wizard.back').focus();
}

/** Goes through the wizard to its end, and back to the list. */
export async function createInstaller(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/login/jump/installers/new`);
  for (let step = 0; step < 2; step += 1) await button(page, 'installers:wizard.next').click();
  await page.getByLabel(text('installers:name'), { exact: true }).fill(NAME);
  await button(page, 'installers:wizard.next').click();
  await button(page, 'installers:wizard.create').click();
  await button(page, 'installers:made.saved').click();
  await page.getByRole('table').getByText(NAME).waitFor();
}

/** 'Who would I lose?' if the appliance got another name. */
export async function lookForLosses(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/login/jump/trust`);
  await page.getByRole('combobox', { name: text('trust:losses.change') }).click();
  await page.getByRole('option', { name: text('trust:change.host-name') }).click();
  await page.getByLabel(text('trust:host.name'), { exact: true }).fill('access.example.org');
  await button(page, 'trust:losses.look').click();
  await page
    .getByRole('region', { name: text('trust:losses.title') })
    .getByRole('status')
    .first()
    .waitFor();
}

/** A rollout under way; a real one with so many clients takes the benchmark's time. */
export async function takeRollout(page: Page, shoot: (page: Page, name: string) => Promise<void>): Promise<void> {
  await using server = new FleetServer();
  const url = await server.listen();
  const own = await page.context().newPage();
  try {
    await own.goto(`${url}/login/jump/upgrades`);
    await own.getByRole('table', { name: text('fleet:clients.title') }).waitFor();
    await shoot(own, 'login-client-upgrades');
  } finally {
    await own.close();
  }
}

function button(page: Page, name: string) {
  return page.getByRole('button', { name: text(name), exact: true });
}
