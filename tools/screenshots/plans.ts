/** Pictures of an upgrade plan that runs, on the pages of both appliances of a real pair. */
import type { Browser, Page } from 'playwright-core';
import { PlanScene } from '../../packages/testkit/src/plan-scene.ts';
import { BOX_PASSWORD, LaunchedUpdateServer, ReleaseShop } from '../../packages/testkit/src/upgrade-scene.ts';
import { LoginPage, text } from '../../test/e2e/pages.ts';

/** Long enough for a picture while the new site is watched. */
const WATCH_SECONDS = 6;
const SHOWN = { number: 5, kind: 'install-site' };

/** `shoot` takes the picture `name` of what `page` shows; `isWhole`: to its end, not only what a window shows. */
export async function takePlans(
  browser: Browser,
  shoot: (page: Page, name: string, isWhole: boolean) => Promise<void>,
): Promise<void> {
  using shop = await ReleaseShop.open();
  await using server = await LaunchedUpdateServer.start(shop);
  await using scene = await PlanScene.start(server, WATCH_SECONDS);
  using typing = await scene.typing();
  const { a, b } = scene.pair;
  const [own, there] = [await plansPage(browser, a.appliance.url), await plansPage(browser, b.appliance.url)];
  await own.getByRole('button', { name: text('plans:choose.make', { kind: text('plans:kind.asynchronous') }) }).click();
  await own.getByRole('button', { name: text('plans:action.run-through') }).waitFor();
  await own.getByRole('button', { name: text('plans:action.run-through') }).click();
  const isAtPicture = ({ steps }: { steps: { number: number; kind: string; state: string }[] }) =>
    steps.some(({ number, kind, state }) => number === SHOWN.number && kind === SHOWN.kind && state === 'running');
  const { id } = await scene.plan(a, 'installs at the other side, with the relationship broken', isAtPicture);
  await there.reload();
  await there.getByText(text('plans:elsewhere', { runner: 'north' })).waitFor();
  await shoot(own, 'upgrade-plan-running', true);
  await shoot(there, 'upgrade-plan-on-the-other', false);
  for (;;) {
    const plan = await scene.stopped(a, id);
    const looked = plan.steps.find(({ state }) => state === 'waits-for-person');
    if (looked === undefined) break;
    await scene.order(a, id, 'confirm', { number: looked.number });
  }
  typing.stopTyping();
  await own.reload();
  await own.getByRole('heading', { name: text('plans:report.title'), exact: true }).waitFor();
  await shoot(own, 'upgrade-plan-report', false);
}

async function plansPage(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
  const page = await context.newPage();
  await page.goto(`${url}/appliance`);
  await new LoginPage(page).logIn('admin', BOX_PASSWORD);
  await page.getByRole('link', { name: text('appliance:tab.updates') }).waitFor();
  await page.goto(`${url}/appliance/updates/plans`);
  return page;
}
