import '@fontsource/jetbrains-mono/400.css';
import '@fontsource/jetbrains-mono/700.css';
import '@xterm/xterm/css/xterm.css';
import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { AccountMenu } from '../shared/AccountMenu.tsx';
import { useLiveEvents } from '../shared/live-events.ts';
import { PageHeader } from '../shared/PageHeader.tsx';
import { pagePaths } from '../shared/paths.ts';
import { WaitingJumpBar } from './items/WaitingJumpBar.tsx';
import { JumpItemsPanel } from './items/JumpItemsPanel.tsx';
import { RunningSessions } from './RunningSessions.tsx';
import { SessionDialogs, type SessionQuestion } from './SessionDialogs.tsx';
import { TabStrip } from './TabStrip.tsx';
import { SessionTerminal } from './terminal/SessionTerminal.tsx';
import type { ShellInfo, ShellSession } from './terminal/shell-session.ts';
import { provideHooks } from './test-hooks.ts';
import { useConsoleSessions, useEndSession, useJump, useOwnSessions, useRestoredTabs, withoutTabs } from './use-console.ts';
import classes from './console.module.css';

/** The console: Jump Items in the first tab, every open session in one of its own. */
export function ConsoleApp() {
  const { t } = useTranslation('console');
  const sessions = useConsoleSessions();
  const running = useOwnSessions();
  const { open, active } = sessions.tabs;
  const openSession = useCallback(
    (info: ShellInfo) => sessions.open(info, t('terminalLabel', { name: info.jumpItemName })),
    [sessions, t],
  );
  const { opening, jump, waiting } = useJump(openSession);
  const endSession = useEndSession();
  const [question, setQuestion] = useState<SessionQuestion>();
  useLiveEvents();
  useRestoredTabs(sessions, running, openSession);
  useEffect(() => provideHooks({ terminalText: () => sessions.active?.view.text() ?? '' }), [sessions]);
  useEffect(() => {
    const name = active === null ? '' : (sessions.get(active)?.info.jumpItemName ?? '');
    document.title = name === '' ? `${t('title')} · Bascule` : `${name} · Bascule`;
  }, [sessions, active, t]);

  const ask = (kind: SessionQuestion['kind'], session: ShellSession): void => {
    const over = session.state.phase === 'ended';
    if (over) sessions.close(session.info.id);
    else setQuestion({ kind, session: session.info.id, name: session.info.jumpItemName });
  };
  const leave = (session: string): void => {
    setQuestion(undefined);
    sessions.close(session);
  };
  const end = async (session: string): Promise<void> => {
    const closing = question?.kind === 'close';
    setQuestion(undefined);
    if ((await endSession(session)) && closing) sessions.close(session);
  };
  const jumpAgain = ({ info }: ShellSession): void =>
    jump({ id: info.jumpItemId, name: info.jumpItemName, hostName: info.hostName, runsAs: info.runsAs });

  return (
    <div className={classes['console']}>
      <PageHeader interfaceName={t('title')}>
        <Button component="a" href={pagePaths.login} variant="default">
          {t('shared:site')}
        </Button>
        <AccountMenu />
      </PageHeader>
      <TabStrip sessions={sessions} open={open} active={active} onClose={(id) => askFor(sessions.get(id), ask)} />
      <main className={classes['panels']}>
        <div id="panel-items" role="tabpanel" aria-labelledby="tab-items" hidden={active !== null}>
          <JumpItemsPanel opening={opening} onJump={jump} active={active === null}>
            {waiting.waiting && <WaitingJumpBar waiting={waiting.waiting} known={waiting.known} onCancel={waiting.cancel} />}
            <RunningSessions rows={withoutTabs(running, open)} onOpen={openSession} />
          </JumpItemsPanel>
        </div>
        {open.map((id) => {
          const session = sessions.get(id);
          return (
            session && (
              <div key={id} id={`panel-${id}`} role="tabpanel" aria-labelledby={`tab-${id}`} hidden={id !== active}>
                <SessionTerminal
                  session={session}
                  visible={id === active}
                  recordsInput={running?.find((row) => row.id === id)?.recordsInput}
                  onCommand={(command) =>
                    command === 'leave' ? sessions.activate(null) : sessions.step(command === 'next-tab' ? 1 : -1)
                  }
                  onEnd={() => ask('end', session)}
                  onJumpAgain={() => jumpAgain(session)}
                  onClose={() => sessions.close(id)}
                />
              </div>
            )
          );
        })}
      </main>
      <SessionDialogs
        question={question}
        onCancel={() => setQuestion(undefined)}
        onLeave={leave}
        onEnd={(session) => void end(session)}
      />
    </div>
  );
}

function askFor(session: ShellSession | undefined, ask: (kind: 'close', session: ShellSession) => void): void {
  if (session) ask('close', session);
}
