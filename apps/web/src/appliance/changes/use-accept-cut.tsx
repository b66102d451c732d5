import { useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, Text } from '@mantine/core';
import { ApiError } from '../../shared/api-client.ts';
import { CHANGES_KEY } from './PendingChangeNotice.tsx';

/** Errors by which the appliance asks whether the person knows. */
const ASKS = new Set(['NETWORK_CUTS_YOU', 'CHANGE_MIGHT_CUT', 'NETWORKS_LOCK_YOU_OUT']);

/** Whether the appliance asks; the warning says it all then. */
export function isAsked(error: unknown): boolean {
  return error instanceof ApiError && ASKS.has(error.code);
}

interface Cut {
  code: string;
  /** By which, or at which, the person is. */
  address: string;
  seconds: number;
}

export interface AcceptCutState {
  /** What the request says: empty until the person has been told and has agreed. */
  body: { acceptCut?: true };
  /** The warning with its checkbox; null until the appliance has said that the change might cut the person off. */
  notice: ReactNode;
  /** Nothing was asked: for a form that begins anew. */
  forget(): void;
  /** Sends the change; when the appliance asks for it, the warning is shown, and the error thrown on. */
  send<T>(work: () => Promise<T>): Promise<T>;
}

/** Asked once more before somebody saws off the branch: what happens, and how it is kept. */
export function useAcceptCut(): AcceptCutState {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [cut, setCut] = useState<Cut>();
  const [accepted, setAccepted] = useState(false);
  const texts = { address: cut?.address ?? '', seconds: cut?.seconds ?? 0 };
  return {
    body: accepted ? { acceptCut: true } : {},
    notice: cut !== undefined && (
      <Alert color="red" role="alert" title={t(`network:cut.${cut.code}.title`, texts)}>
        <Text mb="xs">{t(`network:cut.${cut.code}.text`, texts)}</Text>
        <Checkbox
          label={t(`network:cut.${cut.code}.accept`)}
          checked={accepted}
          onChange={(event) => setAccepted(event.currentTarget.checked)}
        />
      </Alert>
    ),
    forget() {
      setCut(undefined);
      setAccepted(false);
    },
    async send(work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ApiError && ASKS.has(error.code)) {
          const { address, seconds } = error.params;
          setCut({ code: error.code, address: String(address ?? ''), seconds: Number(seconds) });
        }
        throw error;
      } finally {
        void client.invalidateQueries({ queryKey: CHANGES_KEY });
      }
    },
  };
}
