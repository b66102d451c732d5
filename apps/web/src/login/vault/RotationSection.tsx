import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Progress } from '@mantine/core';
import { vaultKeyState, type VaultKeyState, type VaultRotation } from '@bascule/protocol/api/vault.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount, formatInstant } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { problemText } from '../installers/problem-text.ts';
import { useTakeVaultKey } from './vault-queries.ts';
import classes from './vault.module.css';

/** Replaces the vault key: every secret is wrapped anew while the site goes on. */
export function RotationSection({ state }: { state: VaultKeyState }) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeVaultKey();
  const { ask, dialog } = useConfirm();
  const { rotation, mayRotate } = state;
  const begin = () =>
    ask({
      title: t('vault:rotation.title'),
      consequences: (
        <ul className={classes['points']}>
          <li>{t('vault:rotation.what', { count: state.readable, number: formatCount(state.readable) })}</li>
          <li>{t('vault:rotation.nobody')}</li>
          <li>{t('vault:rotation.then')}</li>
        </ul>
      ),
      confirm: t('vault:rotation.confirm'),
      act: async () => take(await api.post(apiPaths.vaultRotation, vaultKeyState)),
    });
  return (
    <Section
      title={t('vault:rotation.title')}
      note={t('vault:rotation.note')}
      actions={
        <Button variant="default" disabled={!mayRotate.ok} onClick={begin}>
          {t('vault:rotation.begin')} …
        </Button>
      }
    >
      {rotation !== null && <Rotating rotation={rotation} />}
      {rotation === null && !mayRotate.ok && mayRotate.code !== null && (
        <p className={classes['line']}>{problemText({ code: mayRotate.code, message: mayRotate.message ?? mayRotate.code })}</p>
      )}
      {dialog}
    </Section>
  );
}

function Rotating({ rotation }: { rotation: VaultRotation }) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeVaultKey();
  const cancel = useMutation({
    mutationFn: async () => take(await api.delete(apiPaths.vaultRotation, vaultKeyState)),
    onError: notifyFailure,
  });
  const { done, total, waitsFor } = rotation;
  const percent = total === 0 ? 100 : (done / total) * 100;
  return (
    <div className="b-panel">
      <p role="status" className={classes['line']}>
        <strong>{t(`vault:rotation.state.${rotation.state}`)}</strong>{' '}
        {t('vault:rotation.progress', { done: formatCount(done), total: formatCount(total) })}
      </p>
      <Progress value={percent} my="xs" aria-label={t('vault:rotation.title')} />
      {waitsFor !== null && (
        <p className={classes['line']}>
          <StateMark tone="warn">{problemText(waitsFor)}</StateMark>
        </p>
      )}
      <p className={`b-quiet ${classes['line']}`}>
        {t('vault:facts.atBy', { at: formatInstant(rotation.startedAtMs), by: rotation.by })}
      </p>
      {rotation.mayCancel && (
        <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
          {t('vault:rotation.cancel')}
        </Button>
      )}
    </div>
  );
}
