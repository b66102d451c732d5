import { useState } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Modal, Stack, TextInput } from '@mantine/core';
import { z } from 'zod';
import { ok } from '@bascule/protocol/api/common.ts';
import type { Restoration, RestoreReport } from '@bascule/protocol/api/restore.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, type Tone } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount, formatDuration, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { listed } from './PreviewSection.tsx';
import { remarkText } from './remark-text.ts';
import { useRefreshRestore } from './restore-queries.ts';

const started = z.object({ id: z.string() });
const TONES: Record<Exclude<Restoration['outcome'], 'running'>, Tone> = {
  restored: 'ok',
  'taken-back': 'bad',
  failed: 'bad',
  cancelled: 'off',
};

/** How the last restore ended: who is back, what cannot be read, and the way back. */
export function EndedSection({ restoration, applianceName }: { restoration: Restoration; applianceName: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshRestore();
  const [open, setOpen] = useState<'undo' | 'log'>();
  const close = useMutation({
    mutationFn: () => api.post(apiPaths.restoreAcknowledge, ok, { id: restoration.id }),
    onSuccess: refresh,
  });
  const { outcome, operation, source, report, cause, endedAtMs } = restoration;
  if (outcome === 'running') return null;
  const values = { appliance: source.appliance, at: formatMinute(source.madeAtMs) };
  return (
    <>
      <Headline tone={TONES[outcome]} text={t(`restore:ended.${outcome}.${operation}`, values)}>
        {cause !== null && <HeadlineNote isStrong>{remarkText(cause)}</HeadlineNote>}
        <HeadlineNote>
          {t('restore:ended.at', { at: formatMinute(endedAtMs ?? restoration.startedAtMs), name: restoration.startedBy })}
        </HeadlineNote>
      </Headline>
      <Section
        title={t('restore:report.title')}
        actions={
          <Group gap="xs">
            <Button variant="default" onClick={() => setOpen('log')}>
              {t('restore:report.log')}
            </Button>
            {restoration.mayUndo && (
              <Button variant="default" onClick={() => setOpen('undo')}>
                {t('restore:undo.open')}
              </Button>
            )}
            <Button variant="default" loading={close.isPending} onClick={() => close.mutate()}>
              {t('restore:report.close')}
            </Button>
          </Group>
        }
      >
        {report === null ? <p>{t('restore:report.none')}</p> : <Report report={report} />}
      </Section>
      {open === 'log' && <Log id={restoration.id} onClose={() => setOpen(undefined)} />}
      {open === 'undo' && (
        <UndoDialog id={restoration.id} applianceName={applianceName} onClose={() => setOpen(undefined)} start={started} />
      )}
    </>
  );
}

function Report({ report }: { report: RestoreReport }) {
  const { t } = useTranslation();
  const { clients, missingClients, lostClients, unreadableSecrets, boxSettings, ended, unavailableMs } = report;
  const rows: [string, React.ReactNode][] = [
    [
      t('restore:report.clients'),
      t('restore:report.back', { back: formatCount(clients.back), total: formatCount(clients.total) }),
    ],
  ];
  if (missingClients.count > 0) rows.push([t('restore:report.missing'), listed(missingClients)]);
  if (lostClients.count > 0) rows.push([t('restore:report.lost'), listed(lostClients)]);
  rows.push([
    t('restore:report.secrets'),
    unreadableSecrets === null
      ? t('restore:report.notKnown')
      : unreadableSecrets.length === 0
        ? t('restore:report.allReadable')
        : unreadableSecrets.join('; '),
  ]);
  if (boxSettings.applied.length > 0) rows.push([t('restore:report.applied'), boxSettings.applied.join('; ')]);
  if (boxSettings.failed.length > 0) rows.push([t('restore:report.notApplied'), boxSettings.failed.join('; ')]);
  if (ended.length > 0)
    rows.push([t('restore:report.ended'), ended.map((remark) => <p key={remark.code}>{remarkText(remark)}</p>)]);
  if (unavailableMs !== null) rows.push([t('restore:report.away'), formatDuration(unavailableMs)]);
  return (
    <Stack gap="xs" maw={900}>
      <Facts rows={rows} />
      {unreadableSecrets !== null && unreadableSecrets.length > 0 && <p>{t('restore:report.vaultKey')}</p>}
    </Stack>
  );
}

function UndoDialog({
  id,
  applianceName,
  onClose,
  start,
}: {
  id: string;
  applianceName: string;
  onClose: () => void;
  start: typeof started;
}) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshRestore();
  const [confirm, setConfirm] = useState('');
  const undo = async () => {
    await api.post(apiPaths.restoreUndo, start, { id, confirm });
    await refresh();
  };
  return (
    <FormDialog title={t('restore:undo.title')} confirm={t('restore:undo.confirm')} onSubmit={undo} onClose={onClose}>
      {(faultOf) => (
        <>
          <p>{t('restore:undo.note')}</p>
          <TextInput
            required
            label={t('restore:start.name')}
            description={applianceName}
            value={confirm}
            onChange={(event) => setConfirm(event.currentTarget.value)}
            error={faultOf('body.confirm')}
            autoComplete="off"
            data-autofocus
          />
        </>
      )}
    </FormDialog>
  );
}

function Log({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const log = useQuery({ queryKey: ['restore-log', id], queryFn: () => api.getText(apiPaths.restoreLog(id)), staleTime: 0 });
  return (
    <Modal
      opened
      size="xl"
      onClose={onClose}
      title={t('restore:report.log')}
      closeButtonProps={{ 'aria-label': t('shared:close') }}
    >
      {log.isError && <QueryFailure query={log} />}
      {log.data !== undefined && <CopyField label={t('restore:report.log')} value={log.data} size="tall" />}
    </Modal>
  );
}
