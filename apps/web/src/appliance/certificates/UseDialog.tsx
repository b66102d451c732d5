import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Skeleton, Stack } from '@mantine/core';
import {
  certificatesState,
  usePreview,
  type CertificatesState,
  type CertificateUse,
  type UsePreview,
} from '@bascule/protocol/api/certificates.ts';
import { LossesResult } from '../../login/trust/LossesResult.tsx';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { WarningList } from './WarningList.tsx';
import { useTakeCertificates } from './certificates-queries.ts';

const SKELETON_HEIGHT_PX = 120;

interface UseDialogProps {
  use: CertificateUse;
  state: CertificatesState;
  onClose: () => void;
}

/** Who would be lost is shown before the change is made (I6). */
export function UseDialog({ use, state, onClose }: UseDialogProps) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeCertificates();
  const preview = useQuery({
    queryKey: ['certificate-use', use],
    queryFn: () => api.post(apiPaths.previewCertificateUse, usePreview, use, LONG_TIMEOUT_MS),
    staleTime: 0,
    gcTime: 0,
  });
  const submit = async () => {
    take(await api.put(apiPaths.certificateUse, certificatesState, use));
    notifyDone(t('certificates:apply.done'));
  };
  return (
    <FormDialog
      title={t('certificates:apply.title')}
      confirm={t('certificates:apply.confirm')}
      onSubmit={submit}
      onClose={onClose}
      size="xl"
      canSubmit={preview.data !== undefined}
    >
      {preview.data !== undefined ? (
        <Consequences preview={preview.data} host={state.publicHost} />
      ) : preview.isError ? (
        <QueryFailure query={preview} />
      ) : (
        <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
      )}
    </FormDialog>
  );
}

function Consequences({ preview, host }: { preview: UsePreview; host: string }) {
  const { t } = useTranslation();
  const { before, after, losses, warnings } = preview;
  const isSame = before.id === after.id;
  const keeps = before.keySha256 === after.keySha256;
  return (
    <Stack gap="sm">
      <Alert color={isSame ? 'blue' : 'yellow'} role="status" py="xs">
        {isSame
          ? t('certificates:apply.same', { host, name: after.issuedTo })
          : t(keeps ? 'certificates:apply.sameKey' : 'certificates:apply.otherKey', {
              host,
              before: before.issuedTo,
              after: after.issuedTo,
            })}{' '}
        {t('certificates:apply.atOnce')}
      </Alert>
      {!isSame && <WarningList warnings={warnings} />}
      {!isSame &&
        (losses === null ? (
          <Alert color="yellow" py="xs">
            {t('certificates:apply.unknown')}
          </Alert>
        ) : (
          <LossesResult losses={losses} isShort />
        ))}
    </Stack>
  );
}
