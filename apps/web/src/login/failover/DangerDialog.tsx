import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group, Modal, Stack } from '@mantine/core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { formatCount } from '../../shared/format.ts';
import { useLiveSessions } from './failover-queries.ts';
import classes from './failover.module.css';

/** Names beyond this are counted. */
const NAMES_SHOWN = 12;

/** What a person is told before the button works: what happens, to whom, how long it takes, how it is undone. */
export interface Consequences {
  what: ReactNode;
  whom: ReactNode;
  time: ReactNode;
  undo: ReactNode;
}

interface DangerDialogProps {
  title: string;
  consequences: Consequences;
  /** The verb on the button. */
  confirm: string;
  /** False until everything that has to be accepted is. */
  isReady?: boolean;
  /** Choices that change what happens. */
  children?: ReactNode;
  act: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that people would notice; stays open with the reason when it is refused. */
export function DangerDialog({ title, consequences, confirm, isReady = true, children, act, onClose }: DangerDialogProps) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const send = () => {
    setBusy(true);
    setFailure(undefined);
    act()
      .then(onClose)
      .catch((error: unknown) => {
        setFailure(error);
        setBusy(false);
      });
  };
  return (
    <Modal opened onClose={onClose} title={title} size="lg" closeButtonProps={{ 'aria-label': t('shared:close') }}>
      <Stack gap="sm">
        <ConsequenceList consequences={consequences} />
        {children}
        <FormFailure error={failure} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('shared:cancel')}
          </Button>
          <Button color="red" loading={busy} disabled={!isReady} onClick={send}>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function ConsequenceList({ consequences }: { consequences: Consequences }) {
  const { t } = useTranslation();
  return (
    <dl className={classes['consequences']}>
      {(['what', 'whom', 'time', 'undo'] as const).map((name) => (
        <div key={name}>
          <dt>{t(`failover:consequence.${name}`)}</dt>
          <dd>{consequences[name]}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Whom a change touches: the live access sessions by name, then everybody connected by number. */
export function Whom({ state, note }: { state: FailoverState; note: string }) {
  const { t } = useTranslation();
  const live = useLiveSessions(state);
  const count = live?.length ?? Math.max(state.self.sessions, state.peer?.sessions ?? 0);
  const clients = Math.max(state.self.clientsOnline, state.peer?.clientsOnline ?? 0);
  return (
    <>
      {count === 0 ? t('failover:whom.nobody') : t('failover:whom.sessions', { count, number: formatCount(count) })}
      {live !== undefined && live.length > 0 && (
        <ul className={classes['names']}>
          {live.slice(0, NAMES_SHOWN).map(({ user, item }, index) => (
            <li key={`${index} ${user} ${item}`}>{t('failover:whom.on', { user, item })}</li>
          ))}
          {live.length > NAMES_SHOWN && <li>{t('failover:whom.more', { count: live.length - NAMES_SHOWN })}</li>}
        </ul>
      )}{' '}
      {t('failover:whom.clients', { count: clients, number: formatCount(clients) })} {note}
    </>
  );
}
