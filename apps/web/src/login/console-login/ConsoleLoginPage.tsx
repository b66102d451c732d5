import { useState, type SubmitEvent } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Alert, Button, Checkbox, Group, Skeleton, TextInput } from '@mantine/core';
import { consoleLoginAsked } from '@bascule/protocol/api/console.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer, ApiError } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { useLoggedIn } from '../../shared/login-state.ts';
import { apiPaths } from '../../shared/paths.ts';
import { completeCode, typedCode } from './console-code.ts';
import classes from './console-login.module.css';

type Asked = z.infer<typeof consoleLoginAsked>;

/** Where a person lets an installed console log in as them: which machine it is, and whether the code is the one in their terminal. */
export function ConsoleLoginPage({ code, onCode }: { code: string | undefined; onCode: (code: string) => void }) {
  const { t } = useTranslation();
  return (
    <Section title={t('login:consoleLogin.title')} note={t('login:consoleLogin.note')}>
      <div className={classes['panel']}>
        {code === undefined ? <CodeForm onCode={onCode} /> : <Question key={code} code={code} />}
      </div>
    </Section>
  );
}

function CodeForm({ onCode }: { onCode: (code: string) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const code = completeCode(typed);
    if (code !== undefined) onCode(code);
  };
  return (
    <form onSubmit={submit} className={classes['form']}>
      <TextInput
        label={t('login:consoleLogin.code')}
        description={t('login:consoleLogin.codeNote')}
        value={typed}
        onChange={(event) => setTyped(typedCode(event.currentTarget.value))}
        classNames={{ input: 'b-mono' }}
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        autoFocus
        required
        withAsterisk={false}
      />
      <Button type="submit" disabled={completeCode(typed) === undefined}>
        {t('login:consoleLogin.next')}
      </Button>
    </form>
  );
}

function Question({ code }: { code: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const asked = useQuery({
    queryKey: ['console-login', code],
    queryFn: ({ signal }) => api.get(apiPaths.consoleLogin(code), consoleLoginAsked, {}, signal),
    // A code is good once: what it was stands here until the page is left.
    staleTime: Infinity,
    retry: false,
  });
  if (asked.isPending) return <Skeleton height={180} aria-label={t('shared:loading')} />;
  if (asked.isError) return <Failure error={asked.error} onRetry={() => void asked.refetch()} />;
  return <Decision code={code} asked={asked.data} />;
}

function Failure({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { t } = useTranslation();
  const isUnknown = error instanceof ApiError && error.code === 'NOT_FOUND';
  return (
    <>
      <FormFailure error={error} texts={{ NOT_FOUND: t('login:consoleLogin.unknown') }} />
      {!isUnknown && (
        <Button variant="default" onClick={onRetry}>
          {t('shared:retry')}
        </Button>
      )}
    </>
  );
}

function Decision({ code, asked }: { code: string; asked: Asked }) {
  const { t } = useTranslation();
  const api = useApi();
  const { name } = useLoggedIn();
  const [isOwn, setIsOwn] = useState(false);
  const decide = useMutation({
    mutationFn: (grant: boolean) => api.post(apiPaths.decideConsoleLogin(code), anyAnswer, { grant }),
  });
  const { machine, version, address, sameAddress, askedAtMs } = asked;
  if (decide.isSuccess)
    return (
      <Alert color={decide.variables ? 'green' : 'gray'} role="status">
        {decide.variables ? t('login:consoleLogin.granted', { machine, name }) : t('login:consoleLogin.refused', { machine })}
      </Alert>
    );
  return (
    <>
      <p className={classes['question']}>{t('login:consoleLogin.question')}</p>
      <p className={classes['code']}>{code}</p>
      <Facts
        rows={[
          [
            t('login:consoleLogin.machine'),
            <span key="machine" className="b-mono">
              {machine}
            </span>,
          ],
          [
            t('login:consoleLogin.address'),
            <>
              <span className="b-mono">{address}</span>{' '}
              <StateMark tone={sameAddress ? 'ok' : 'warn'}>
                {sameAddress ? t('login:consoleLogin.sameAddress') : t('login:consoleLogin.otherAddress')}
              </StateMark>
            </>,
          ],
          [
            t('login:consoleLogin.version'),
            <span key="version" className="b-mono">
              {version}
            </span>,
          ],
          [
            t('login:consoleLogin.asked'),
            <span key="asked" className="b-mono">
              {formatInstant(askedAtMs)}
            </span>,
          ],
        ]}
      />
      {!sameAddress && (
        <Checkbox
          checked={isOwn}
          onChange={(event) => setIsOwn(event.currentTarget.checked)}
          label={t('login:consoleLogin.isOwn', { machine })}
        />
      )}
      <p className={classes['warning']}>{t('login:consoleLogin.warning', { name })}</p>
      <FormFailure error={decide.error} texts={{ NOT_FOUND: t('login:consoleLogin.unknown') }} />
      <Group>
        <Button
          disabled={!sameAddress && !isOwn}
          loading={decide.isPending && decide.variables}
          onClick={() => decide.mutate(true)}
        >
          {t('login:consoleLogin.grant')}
        </Button>
        <Button variant="default" disabled={decide.isPending} onClick={() => decide.mutate(false)}>
          {t('login:consoleLogin.refuse')}
        </Button>
      </Group>
    </>
  );
}
