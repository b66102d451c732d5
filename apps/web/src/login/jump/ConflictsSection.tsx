import { Fragment } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { z } from 'zod';
import type { conflicts as conflictsSchema } from '@bascule/protocol/api/jump.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useConflicts, useRefreshJump } from './jump-queries.ts';
import classes from './ConflictsSection.module.css';

type Conflict = z.infer<typeof conflictsSchema>['conflicts'][number];
const SIDES = ['older', 'newer'] as const;

/** Two links with one identity: both named, and the choice which one stays. Nothing without a conflict. */
export function ConflictsSection() {
  const { t } = useTranslation();
  const conflicts = useConflicts();
  const { ask, dialog } = useConfirm();
  if ((conflicts.data?.conflicts.length ?? 0) === 0) return dialog;
  return (
    <Section title={t('login:conflict.title')} note={t('login:conflict.note')}>
      <div className={classes['box']}>
        <table className={classes['table']} aria-label={t('login:conflict.title')}>
          <thead>
            <tr>
              {['side', 'host', 'address', 'os', 'user', 'since', 'decision'].map((column) => (
                <th key={column} scope="col">
                  {t(`login:conflict.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {conflicts.data?.conflicts.map((conflict) => (
              <ConflictRows key={conflict.clientId} conflict={conflict} ask={ask} />
            ))}
          </tbody>
        </table>
      </div>
      {dialog}
    </Section>
  );
}

function ConflictRows({ conflict, ask }: { conflict: Conflict; ask: ReturnType<typeof useConfirm>['ask'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  const keep = (side: (typeof SIDES)[number]) => {
    const [kept, dropped] = side === 'older' ? [conflict.older, conflict.newer] : [conflict.newer, conflict.older];
    ask({
      title: t('login:conflict.keepTitle', { host: kept.hostName, address: kept.address }),
      consequences: t('login:conflict.consequences', {
        kept: `${kept.hostName} (${kept.address})`,
        dropped: `${dropped.hostName} (${dropped.address})`,
      }),
      confirm: t('login:conflict.keep'),
      dangerous: true,
      act: async () => {
        await api.post(apiPaths.decideConflict(conflict.clientId), anyAnswer, { keep: side });
        await refresh();
      },
    });
  };
  return (
    <Fragment>
      <tr>
        <th colSpan={7} scope="rowgroup" className={classes['name']}>
          {conflict.name}
        </th>
      </tr>
      {SIDES.map((side) => (
        <tr key={side}>
          <td>{t(`login:conflict.${side}`)}</td>
          <td>{conflict[side].hostName}</td>
          <td className="b-mono">{conflict[side].address}</td>
          <td>{conflict[side].os}</td>
          <td className="b-mono">{conflict[side].user}</td>
          <td className="b-mono">{formatInstant(conflict[side].sinceMs)}</td>
          <td>
            <Button
              variant="default"
              onClick={() => keep(side)}
              aria-label={t('login:conflict.keepLabel', { host: conflict[side].hostName, side: t(`login:conflict.${side}`) })}
            >
              {t('login:conflict.keep')}
            </Button>
          </td>
        </tr>
      ))}
    </Fragment>
  );
}
