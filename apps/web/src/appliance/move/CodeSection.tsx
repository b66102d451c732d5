import { useState } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { madeTransferCode, TRANSFER_CODE_HOURS, type MoveOverview } from '@bascule/protocol/api/move.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { MOVE_KEY } from './move-queries.ts';

/** This box is the old one: the transfer code, shown once. */
export function CodeSection({ code }: { code: MoveOverview['code'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [made, setMade] = useState<string>();
  const refresh = () => client.invalidateQueries({ queryKey: MOVE_KEY });
  const make = useMutation({
    mutationFn: () => api.post(apiPaths.moveCode, madeTransferCode),
    onSuccess: ({ code: text }) => {
      setMade(text);
      return refresh();
    },
  });
  const revoke = useMutation({
    mutationFn: () => api.delete(apiPaths.moveCode, anyAnswer),
    onSuccess: () => {
      setMade(undefined);
      return refresh();
    },
  });
  const isUsed = code?.usedBy != null;
  return (
    <Section
      title={t('move:code.title')}
      note={t('move:code.note', { hours: TRANSFER_CODE_HOURS })}
      actions={
        <>
          {code !== null && (
            <Button variant="default" loading={revoke.isPending} onClick={() => revoke.mutate()}>
              {t('move:code.revoke')}
            </Button>
          )}
          {!isUsed && (
            <Button variant="default" loading={make.isPending} onClick={() => make.mutate()}>
              {t(code === null ? 'move:code.make' : 'move:code.makeAnother')}
            </Button>
          )}
        </>
      }
    >
      <p>
        <StateMark tone={code === null ? 'off' : 'warn'}>
          {code === null
            ? t('move:code.none')
            : isUsed
              ? t('move:code.used', { name: code.usedBy })
              : t('move:code.valid', { until: formatMinute(code.validUntilMs) })}
        </StateMark>
      </p>
      {made !== undefined && !isUsed && code !== null && (
        <>
          <CopyField label={t('move:code.label')} value={made} />
          <p>{t('move:code.once')}</p>
        </>
      )}
      <FormFailure error={make.error ?? revoke.error} />
    </Section>
  );
}
