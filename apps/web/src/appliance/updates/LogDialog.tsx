import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Modal, Skeleton } from '@mantine/core';
import { CopyField } from '../../shared/CopyField.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const SKELETON_HEIGHT_PX = 320;

/** The log of one installation, as the appliance wrote it. */
export function LogDialog({ id, title, onClose }: { id: string; title: string; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const log = useQuery({ queryKey: ['updates-log', id], queryFn: () => api.getText(apiPaths.updatesLog(id)), staleTime: 0 });
  return (
    <Modal
      opened
      size="xl"
      onClose={onClose}
      title={t('updates:log.title', { name: title })}
      closeButtonProps={{ 'aria-label': t('shared:close') }}
    >
      {log.isError && <QueryFailure query={log} />}
      {log.isPending && <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />}
      {log.data !== undefined && <CopyField label={t('updates:log.label')} value={log.data} size="tall" />}
    </Modal>
  );
}
