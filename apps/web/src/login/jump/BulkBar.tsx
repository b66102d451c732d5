import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Menu } from '@mantine/core';
import type { z } from 'zod';
import { bulkJumpItemsDone, type bulkJumpItemsBody } from '@bascule/protocol/api/jump.ts';
import type { ItemFilter } from '../../console/items/item-query.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { BulkFormDialog, type BulkForm } from './BulkFormDialog.tsx';
import { bulkTarget, selectedCount, type ClientSelection } from './client-selection.ts';
import { useRefreshJump } from './jump-queries.ts';
import classes from './clients.module.css';

export type BulkAction = z.infer<typeof bulkJumpItemsBody>['action'];
const ASKED = ['approve', 'confirm', 'revoke', 'delete'] as const;

/** What can be done with the selected Jump Clients at once; everything is asked first, with their number. */
export function BulkBar({
  selection,
  filter,
  found,
  knownTags,
  onAll,
  onClear,
}: {
  selection: ClientSelection;
  filter: ItemFilter;
  found: number;
  knownTags: string[];
  onAll: () => void;
  onClear: () => void;
}) {
  const { t } = useTranslation();
  const act = useBulk(selection, filter, onClear);
  const [form, setForm] = useState<BulkForm>();
  const { ask, dialog } = useConfirm();
  const count = selectedCount(selection, found);
  const askFirst = (kind: (typeof ASKED)[number]) =>
    ask({
      title: t(`login:jump.bulk.${kind}Title`, { count }),
      consequences: t(`login:jump.bulk.${kind}Consequences`),
      confirm: t(`login:jump.${kind}`),
      dangerous: kind === 'revoke' || kind === 'delete',
      act: () => act({ kind }),
    });
  return (
    <div className={classes['bulk']} role="region" aria-label={t('login:jump.bulk.label')}>
      <strong role="status">{t('login:jump.bulk.selected', { count })}</strong>
      {selection.kind === 'some' && count < found && (
        <Button size="compact-sm" variant="subtle" onClick={onAll}>
          {t('login:jump.bulk.all', { found })}
        </Button>
      )}
      <span className={classes['bulkActions']}>
        {(['group', 'tags', 'mode'] as const).map((kind) => (
          <Button key={kind} size="compact-sm" variant="default" onClick={() => setForm(kind)}>
            {t(`login:jump.bulk.${kind}`)} …
          </Button>
        ))}
        <Menu position="bottom-end" withinPortal>
          <Menu.Target>
            <Button size="compact-sm" variant="default">
              {t('login:jump.bulk.more')} …
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {ASKED.map((kind) => (
              <Menu.Item
                key={kind}
                color={kind === 'revoke' || kind === 'delete' ? 'var(--b-bad)' : undefined}
                onClick={() => askFirst(kind)}
              >
                {t(`login:jump.${kind}`)} …
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
        <Button size="compact-sm" variant="subtle" onClick={onClear}>
          {t('login:jump.bulk.clear')}
        </Button>
      </span>
      {form !== undefined && (
        <BulkFormDialog form={form} count={count} knownTags={knownTags} onSubmit={act} onClose={() => setForm(undefined)} />
      )}
      {dialog}
    </div>
  );
}

function useBulk(chosen: ClientSelection, search: ItemFilter, done: () => void): (action: BulkAction) => Promise<void> {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  return async (action) => {
    const body = { ...bulkTarget(chosen, search), action };
    const { changed, skipped } = await api.post(apiPaths.bulkJumpItems, bulkJumpItemsDone, body, LONG_TIMEOUT_MS);
    done();
    await refresh();
    const text = t('login:jump.bulk.done', { count: changed });
    notifyDone(skipped === 0 ? text : `${text} ${t('login:jump.bulk.skipped', { count: skipped })}`);
  };
}
