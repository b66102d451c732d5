/** Pictures of backups, vault key and file store, on a site that only answers: a real one would have to be years old. */
import type { Page } from 'playwright-core';
import { NO_BACKUPS, runningOf, vaultWithoutKey } from '../../test/e2e/box-login-fixture/answers.ts';
import { BoxLoginServer } from '../../test/e2e/box-login-fixture/box-login-server.ts';
import { text } from '../../test/e2e/pages.ts';

/** `shoot` takes the picture `name` of what `page` shows; `isWhole`: to its end, not only what a window shows. */
export async function takeBoxLogin(
  page: Page,
  shoot: (page: Page, name: string, isWhole: boolean) => Promise<void>,
): Promise<void> {
  await using server = new BoxLoginServer();
  const url = await server.listen();
  const own = await page.context().newPage();
  const open = async (path: string) => {
    await own.goto(`${url}/login${path}`);
    await own.locator('main h2').first().waitFor();
  };
  try {
    await open('/management/software');
    await own.getByRole('table', { name: text('backup:list.title') }).waitFor();
    await shoot(own, 'box-backups', true);
    server.backups = runningOf();
    await open('/management/software');
    await own.getByText(text('backup:phase.writing')).waitFor();
    await own.getByLabel(text('backup:password.label')).first().fill('nine green bottles on a wall');
    await shoot(own, 'box-backup-running', false);
    server.backups = NO_BACKUPS;
    await open('/management/vault-key');
    await shoot(own, 'box-vault-key', true);
    server.vault = vaultWithoutKey();
    await open('/status');
    await own.getByRole('alert').waitFor();
    await shoot(own, 'box-status-notice', false);
    await open('/configuration/file-store');
    await shoot(own, 'box-file-store', false);
  } finally {
    await own.close();
  }
}
