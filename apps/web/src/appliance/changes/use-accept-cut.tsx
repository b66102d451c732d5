import { useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, Text } from '@mantine/core';
import { ApiError } from '../../shared/api-client.ts';
import { CHANGES_KEY } from './PendingChangeNotice.tsx';

interface Cut {
  /** By which the person is here, where the appliance knows that this very address is cut. */
  address: string | undefined;
  seconds: number;
}

export interface AcceptCutState {
  /** What the request says: empty until the person has been told and has agreed. */
  body: { acceptCut?: true };
  /** The warning with its checkbox; null until the appliance has said that the change might cut the person off. */
  notice: ReactNode;
  /** Sends the change; when the appliance asks for it, the warning is shown, and the error thrown on. */
  send<T>(work: () => Promise<T>): Promise<T>;
}

/** Asked once more before somebody saws off the branch: what happens, and how it is kept. */
export function useAcceptCut(): AcceptCutState {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [cut, setCut] = useState<Cut>();
  const [accepted, setAccepted] = useState(false);
  const isCutHere = cut?.address !== undefined;
  const texts = { address: cut?.address ?? '', seconds: cut?.seconds ?? 0 };
  return {
    body: accepted ? { acceptCut: true } : {},
    notice: cut !== undefined && (
      <Alert color="red" role="alert" title={isCutHere ? t('network:cut.title', texts) : t('network:cut.mightTitle')}>
        <Text mb="xs">{isCutHere ? t('network:cut.text', texts) : t('network:cut.mightText', texts)}</Text>
        <Checkbox
          label={isCutHere ? t('network:cut.accept') : t('network:cut.mightAccept')}
          checked={accepted}
          onChange={(event) => setAccepted(event.currentTarget.checked)}
        />
      </Alert>
    ),
    async send(work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ApiError && (error.code === 'NETWORK_CUTS_YOU' || error.code === 'CHANGE_MIGHT_CUT')) {
          const { address, seconds } = error.params;
          setCut({ address: address === undefined ? undefined : String(address), seconds: Number(seconds) });
        }
        throw error;
      } finally {
        void client.invalidateQueries({ queryKey: CHANGES_KEY });
      }
    },
  };
}
