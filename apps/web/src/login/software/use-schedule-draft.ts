import { useState } from 'react';
import { changeBackupScheduleBody, BACKUP_PASSWORD_MIN_LENGTH } from '@bascule/protocol/api/backup.ts';
import { NO_PASSWORD, passwordProblem } from '../../shared/new-password.ts';
import type { BackupSchedule } from './software-model.ts';

/** What becomes of the password of scheduled backups; `keep`: only where there is one. */
export type PasswordChoice = 'keep' | 'new' | 'none';
export const SCHEDULE_PASSWORD_RULES = { isRequired: true, minCharacters: BACKUP_PASSWORD_MIN_LENGTH };

/** A schedule that is being changed: only what was touched is kept apart from what is saved. `body`: undefined while something is not valid. */
export function useScheduleDraft(saved: BackupSchedule) {
  const [touched, setTouched] = useState<Partial<BackupSchedule>>({});
  const [choice, setChoice] = useState<PasswordChoice>();
  const [password, setPassword] = useState(NO_PASSWORD);
  const firstChoice: PasswordChoice = saved.hasPassword ? 'keep' : 'none';
  const chosen = choice ?? firstChoice;
  const draft = { ...saved, ...touched };
  const { hasPassword: _, ...settings } = draft;
  const isPasswordReady = chosen !== 'new' || passwordProblem(password, SCHEDULE_PASSWORD_RULES) === undefined;
  const body = changeBackupScheduleBody.safeParse({
    ...settings,
    ...(chosen === 'new' && { password: password.password }),
    ...(chosen === 'none' && saved.hasPassword && { password: null }),
  });
  return {
    draft,
    change: (part: Partial<BackupSchedule>) => setTouched({ ...touched, ...part }),
    chosen,
    choose: setChoice,
    password,
    setPassword,
    body: isPasswordReady ? body.data : undefined,
    isChanged: JSON.stringify(draft) !== JSON.stringify(saved) || chosen !== firstChoice,
    reset: () => {
      setTouched({});
      setChoice(undefined);
      setPassword(NO_PASSWORD);
    },
  };
}
