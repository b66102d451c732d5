import { useTranslation } from 'react-i18next';
import { useConnectedNow } from './network-queries.ts';

const NAMED_MAX = 8;

/** B12: who uses the appliance at this moment. */
export function ConnectedNotice() {
  const { t } = useTranslation();
  const { data } = useConnectedNow();
  if (data === undefined) return null;
  const { clients, people, sessions, isKnown } = data;
  if (!isKnown) return <div>{t('network:connected.unknown')}</div>;
  return (
    <>
      <div>{t('network:connected.now', { clients, people, sessions: sessions.length })}</div>
      {sessions.length > 0 && (
        <ul style={{ margin: '4px 0 0', paddingInlineStart: '1.2em' }}>
          {sessions.slice(0, NAMED_MAX).map(({ user, item }, at) => (
            <li key={`${at} ${user} ${item}`}>{t('network:connected.session', { user, item })}</li>
          ))}
          {sessions.length > NAMED_MAX && <li>{t('network:connected.more', { count: sessions.length - NAMED_MAX })}</li>}
        </ul>
      )}
    </>
  );
}
