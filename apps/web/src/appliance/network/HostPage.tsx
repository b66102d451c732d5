import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Radio, Skeleton, Stack, TextInput } from '@mantine/core';
import { hostNameText, RESOLVER_SEARCH_MAX, RESOLVER_SERVERS_MAX, type HostState } from '@bascule/protocol/api/network.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { SettingsForm } from '../changes/SettingsForm.tsx';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';
import { useHost, useRefreshHost } from './routing-queries.ts';

const SKELETON_HEIGHT_PX = 420;
const NAME_MAX_CHARACTERS = 64;

/** Networking > Host name and DNS. */
export function HostPage() {
  const { t } = useTranslation();
  const host = useHost();
  if (host.data === undefined)
    return host.isError ? (
      <QueryFailure query={host} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return (
    <>
      {host.data.error !== null && (
        <Alert color="red" role="alert" py="xs" mb="md" title={t('network:host.failed')}>
          {host.data.error}
        </Alert>
      )}
      <Section title={t('network:host.nameTitle')} note={t('network:host.nameNote')}>
        <Facts
          rows={[
            [
              t('network:host.now'),
              <span key="name" className="b-mono">
                {host.data.hostName}
              </span>,
            ],
          ]}
        />
        {host.data.cannotName === null ? (
          <NameForm host={host.data} />
        ) : (
          <Alert color="yellow" role="note" py="xs" mt="sm">
            {t(`network:host.cannotName.${host.data.cannotName}`)}
          </Alert>
        )}
      </Section>
      <Section title={t('network:host.resolverTitle')} note={t('network:host.resolverNote')}>
        <Facts
          rows={[
            [
              t('network:host.servers'),
              <span key="servers" className="b-mono">
                {host.data.resolver.servers.join(', ') || '–'}
              </span>,
            ],
            [
              t('network:host.search'),
              <span key="search" className="b-mono">
                {host.data.resolver.search.join(', ') || '–'}
              </span>,
            ],
          ]}
        />
        {host.data.cannotResolve === null ? (
          <ResolverForm host={host.data} />
        ) : (
          <Alert color="yellow" role="note" py="xs" mt="sm">
            {t(`network:host.cannotResolve.${host.data.cannotResolve}`, { manager: host.data.resolverManager ?? '' })}
          </Alert>
        )}
      </Section>
    </>
  );
}

function NameForm({ host }: { host: HostState }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshHost();
  const [name, setName] = useState<string>();
  const wanted = name ?? host.wantedHostName ?? host.hostName;
  const isValid = hostNameText.safeParse(wanted).success;
  const save = async () => {
    await api.put(apiPaths.hostName, anyAnswer, { hostName: wanted });
    await refresh();
  };
  return (
    <SettingsForm
      isChanged={wanted !== (host.wantedHostName ?? host.hostName)}
      isValid={isValid}
      onSave={save}
      onForget={() => setName(undefined)}
      saved={t('network:host.nameSaved')}
    >
      <TextInput
        label={t('network:host.name')}
        description={t('network:host.nameRule')}
        value={wanted}
        onChange={(event) => setName(event.currentTarget.value.trim().toLowerCase())}
        error={isValid ? undefined : t('network:host.nameWrong')}
        maxLength={NAME_MAX_CHARACTERS}
        spellCheck={false}
        autoComplete="off"
      />
    </SettingsForm>
  );
}

const words = (text: string): string[] => text.split(/[\s,;]+/).filter((word) => word !== '');

function ResolverForm({ host }: { host: HostState }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshHost();
  const acceptCut = useAcceptCut();
  const [isOurs, setOurs] = useState<boolean>();
  const [servers, setServers] = useState<string>();
  const [search, setSearch] = useState<string>();
  const saved = host.wantedResolver ?? host.resolver;
  const ours = isOurs ?? host.wantedResolver !== null;
  const resolver = {
    servers: servers === undefined ? saved.servers : words(servers),
    search: search === undefined ? saved.search : words(search.toLowerCase()),
  };
  const wanted = ours ? resolver : null;
  const isValid =
    !ours ||
    (resolver.servers.length > 0 &&
      resolver.servers.length <= RESOLVER_SERVERS_MAX &&
      resolver.search.length <= RESOLVER_SEARCH_MAX);
  const forget = () => {
    setOurs(undefined);
    setServers(undefined);
    setSearch(undefined);
    acceptCut.forget();
  };
  const save = async () => {
    await acceptCut.send(() => api.put(apiPaths.hostResolver, anyAnswer, { resolver: wanted, ...acceptCut.body }));
    await refresh();
  };
  return (
    <SettingsForm
      isChanged={JSON.stringify(wanted) !== JSON.stringify(host.wantedResolver)}
      isValid={isValid}
      onSave={save}
      onForget={forget}
      saved={t('network:host.resolverSaved')}
      notice={acceptCut.notice}
    >
      {(faultOf) => (
        <>
          <Radio.Group
            label={t('network:host.who')}
            value={ours ? 'here' : 'system'}
            onChange={(value) => setOurs(value === 'here')}
          >
            <Stack gap="xs" mt="xs">
              <Radio value="system" label={t('network:host.bySystem')} />
              <Radio value="here" label={t('network:host.byUs')} />
            </Stack>
          </Radio.Group>
          <TextInput
            label={t('network:host.servers')}
            description={t('network:host.serversNote', { most: RESOLVER_SERVERS_MAX })}
            placeholder="192.0.2.53, 2001:db8::53"
            value={servers ?? saved.servers.join(', ')}
            onChange={(event) => setServers(event.currentTarget.value)}
            error={faultOf('body.resolver.servers', t('errors:RESOLVER_SERVER_INVALID'))}
            disabled={!ours}
            spellCheck={false}
            autoComplete="off"
          />
          <TextInput
            label={t('network:host.search')}
            description={t('network:host.searchNote', { most: RESOLVER_SEARCH_MAX })}
            placeholder="example.org"
            value={search ?? saved.search.join(', ')}
            onChange={(event) => setSearch(event.currentTarget.value)}
            error={faultOf('body.resolver.search', t('errors:RESOLVER_SEARCH_INVALID'))}
            disabled={!ours}
            spellCheck={false}
            autoComplete="off"
          />
        </>
      )}
    </SettingsForm>
  );
}
