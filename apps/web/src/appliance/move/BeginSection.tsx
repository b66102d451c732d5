import { useState, type SubmitEvent } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Group, Select, Stack, Textarea } from '@mantine/core';
import { moveLook, moveOverview, type MoveLook, type MoveOverview } from '@bascule/protocol/api/move.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { MOVE_KEY } from './move-queries.ts';

const TONES = { green: 'ok', amber: 'warn', red: 'bad' } as const;
/** Parts of the old box's settings that belong to its machine, not to its task: not ticked at first. */
const OF_THE_MACHINE = new Set(['network', 'addresses', 'routes']);

type Address = MoveOverview['addresses'][number];

/** This box is the new one: the code of the old box is looked at first, then the move begins. */
export function BeginSection({ addresses }: { addresses: Address[] }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [code, setCode] = useState('');
  const [own, setOwn] = useState(addresses[0]?.host ?? '');
  const [parts, setParts] = useState<string[]>([]);
  const endpoint = { host: own, port: addresses.find(({ host }) => host === own)?.port ?? 443 };
  const look = useMutation({
    mutationFn: () => api.post(apiPaths.moveLook, moveLook, { code: code.trim(), own: endpoint }),
    onSuccess: ({ settings }) =>
      setParts((settings?.parts ?? []).map(({ name }) => name).filter((name) => !OF_THE_MACHINE.has(name))),
  });
  const begin = useMutation({
    mutationFn: () => api.post(apiPaths.moveBegin, moveOverview, { code: code.trim(), own: endpoint, parts }),
    onSuccess: () => client.invalidateQueries({ queryKey: MOVE_KEY }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    look.mutate();
  };
  const changed = () => look.reset();
  return (
    <Section title={t('move:begin.title')} note={t('move:begin.note')}>
      <form onSubmit={submit}>
        <Stack gap="sm" maw={760}>
          <Textarea
            label={t('move:begin.code')}
            description={t('move:begin.codeNote')}
            placeholder="bt1. …"
            rows={3}
            value={code}
            onChange={(event) => {
              setCode(event.currentTarget.value);
              changed();
            }}
            classNames={{ input: 'b-mono' }}
            spellCheck={false}
            autoComplete="off"
          />
          <Select
            label={t('move:begin.own')}
            description={t('move:begin.ownNote')}
            data={addresses.map(({ host }) => host)}
            value={own}
            onChange={(next) => {
              setOwn(next ?? '');
              changed();
            }}
            maw={340}
          />
          <div>
            <Button type="submit" variant="default" loading={look.isPending} disabled={code.trim() === ''}>
              {t('move:begin.look')}
            </Button>
          </div>
          <FormFailure error={look.error} />
        </Stack>
      </form>
      {look.data !== undefined && (
        <Found look={look.data} parts={parts} onParts={setParts}>
          <FormFailure error={begin.error} />
          <Group>
            <Button
              loading={begin.isPending}
              disabled={look.data.checks.some(({ outcome }) => outcome === 'red')}
              onClick={() => begin.mutate()}
            >
              {t('move:begin.begin', { name: look.data.old.appliance })}
            </Button>
          </Group>
        </Found>
      )}
    </Section>
  );
}

interface FoundProps {
  look: MoveLook;
  parts: string[];
  onParts: (parts: string[]) => void;
  children: React.ReactNode;
}

/** What the old box is, what was checked, and what of its own settings comes along. */
function Found({ look: { old, checks, settings }, parts, onParts, children }: FoundProps) {
  const { t } = useTranslation();
  const none = t('shared:none');
  return (
    <Stack gap="sm" mt="md">
      <Facts
        rows={[
          [t('move:old.name'), old.appliance],
          [t('move:old.site'), old.publicHost],
          [t('move:old.versions'), t('move:old.versionsText', { base: old.baseVersion, site: old.siteVersion })],
          [t('move:old.database'), old.databaseBytes === null ? none : formatBytes(old.databaseBytes)],
          [t('move:old.clients'), old.clientsOnline === null ? none : formatCount(old.clientsOnline)],
          [t('move:old.sessions'), old.sessions === null ? none : formatCount(old.sessions)],
        ]}
      />
      <ul style={{ listStyle: 'none', padding: 0, margin: 0 }} aria-label={t('move:checks')}>
        {checks.map((check) => (
          <li key={check.code}>
            <StateMark tone={TONES[check.outcome]}>{t(`move:check.${check.code}.${check.outcome}`, shown(check))}</StateMark>
          </li>
        ))}
      </ul>
      {settings !== null && settings.parts.length > 0 && (
        <Checkbox.Group label={t('move:parts.title')} description={t('move:parts.note')} value={parts} onChange={onParts}>
          <Stack gap="xs" mt="xs">
            {settings.parts.map(({ name, lines }) => (
              <Checkbox
                key={name}
                value={name}
                label={t(`move:part.${name}`, { defaultValue: name })}
                description={t('move:parts.lines', { count: lines.length })}
              />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
      <p>{t('move:begin.what')}</p>
      {children}
    </Stack>
  );
}

/** Bytes as people read them. */
function shown({ params }: MoveLook['checks'][number]): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      typeof value === 'number' && (name === 'needed' || name === 'free') ? formatBytes(value) : value,
    ]),
  );
}
