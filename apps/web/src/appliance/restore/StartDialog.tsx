import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { z } from 'zod';
import type { RestorePreview } from '@bascule/protocol/api/restore.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { passwordOf } from './restore-password.ts';
import { useRefreshRestore } from './restore-queries.ts';
import classes from './restore.module.css';

const started = z.object({ id: z.string() });

interface StartDialogProps {
  upload: string;
  preview: RestorePreview;
  applianceName: string;
  onClose: () => void;
}

/** What will happen, and the name of this appliance typed as its confirmation. */
export function StartDialog({ upload, preview, applianceName, onClose }: StartDialogProps) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshRestore();
  const [confirm, setConfirm] = useState('');
  const [withBoxSettings, setWithBoxSettings] = useState(false);
  const [breakPair, setBreakPair] = useState(false);
  // Looked into before this page was loaded: it is not stored anywhere.
  const known = passwordOf(upload);
  const isPasswordNeeded = preview.hasPassword && known.password === undefined;
  const [password, setPassword] = useState('');
  // What cannot be read before is not applied.
  const areSettingsShown = preview.remarks.every(({ code }) => code !== 'BOX_SETTINGS_MANY');
  const isInPair = preview.pair?.role === 'primary' && preview.pair.peer !== '';
  const start = async () => {
    const body = { upload, ...known, ...(isPasswordNeeded && { password }), withBoxSettings, breakPair, confirm };
    await api.post(apiPaths.restoreStart, started, body);
    await refresh();
  };
  return (
    <FormDialog
      title={t('restore:start.title', { name: applianceName })}
      confirm={t('restore:start.confirm')}
      onSubmit={start}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <ul className={classes['happens']}>
            {(['checked', 'away', 'sessions', 'archive', 'old'] as const).map((what) => (
              <li key={what}>{t(`restore:start.${what}`)}</li>
            ))}
          </ul>
          {preview.boxSettings.length > 0 && areSettingsShown && (
            <Stack gap={4}>
              <Checkbox
                label={t('restore:start.boxSettings')}
                description={t('restore:start.boxSettingsNote')}
                checked={withBoxSettings}
                onChange={(event) => setWithBoxSettings(event.currentTarget.checked)}
              />
              {withBoxSettings && (
                <ul className={classes['lines']}>
                  {preview.boxSettings.map((line) => (
                    <li key={line}>{line}</li>
                  ))}
                </ul>
              )}
            </Stack>
          )}
          {isInPair && (
            <Checkbox
              required
              label={t('restore:start.breakPair', { peer: preview.pair?.peer })}
              description={t('restore:start.breakPairNote')}
              checked={breakPair}
              onChange={(event) => setBreakPair(event.currentTarget.checked)}
            />
          )}
          {isPasswordNeeded && (
            <PasswordInput
              required
              label={t('restore:start.password')}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              autoComplete="off"
            />
          )}
          <TextInput
            required
            label={t('restore:start.name')}
            description={
              <Text span className="b-mono">
                {applianceName}
              </Text>
            }
            value={confirm}
            onChange={(event) => setConfirm(event.currentTarget.value)}
            error={faultOf('body.confirm')}
            autoComplete="off"
            data-autofocus
          />
        </>
      )}
    </FormDialog>
  );
}
