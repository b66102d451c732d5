import { useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { PasswordInput } from '@mantine/core';
import { passwordProblem, type NewPassword, type PasswordRules } from './new-password.ts';
import { strengthOf, STRENGTHS, type Strength } from './password-strength.ts';
import { StateMark, type Tone } from './Section.tsx';
import classes from './NewPasswordFields.module.css';

interface NewPasswordFieldsProps {
  label: string;
  repeatLabel: string;
  value: NewPassword;
  onChange: (value: NewPassword) => void;
  rules: PasswordRules;
  maxCharacters: number;
  autoFocus?: boolean;
}

const TONES: Record<Strength, Tone> = { weak: 'bad', fair: 'warn', good: 'ok', strong: 'ok' };

/** A new password for a file, twice, with how hard it is to guess; the line of the strength is kept while nothing is typed. */
export function NewPasswordFields({
  label,
  repeatLabel,
  value,
  onChange,
  rules,
  maxCharacters,
  autoFocus = false,
}: NewPasswordFieldsProps) {
  const { t } = useTranslation();
  const hintId = useId();
  // A second password that has hardly been begun is not wrong yet.
  const [isRepeatLeft, setRepeatLeft] = useState(false);
  const problem = passwordProblem(value, rules);
  const shared = {
    maxLength: maxCharacters,
    autoComplete: 'new-password',
    visibilityToggleButtonProps: { 'aria-label': t('login:showPassword') },
  };
  return (
    <div className={classes['fields']}>
      <div>
        <PasswordInput
          {...shared}
          label={label}
          value={value.password}
          onChange={(event) => onChange({ ...value, password: event.currentTarget.value })}
          aria-describedby={hintId}
          data-autofocus={autoFocus || undefined}
        />
        <StrengthHint id={hintId} password={value.password} minCharacters={rules.minCharacters} />
      </div>
      <PasswordInput
        {...shared}
        label={repeatLabel}
        value={value.repeated}
        onChange={(event) => {
          setRepeatLeft(false);
          onChange({ ...value, repeated: event.currentTarget.value });
        }}
        onBlur={() => setRepeatLeft(true)}
        error={problem === 'different' && isRepeatLeft ? t('shared:newPassword.different') : undefined}
      />
    </div>
  );
}

function StrengthHint({ id, password, minCharacters }: { id: string; password: string; minCharacters: number }) {
  const { t } = useTranslation();
  const strength = strengthOf(password);
  const isShort = password.length < minCharacters;
  const filled = password === '' ? 0 : STRENGTHS.indexOf(isShort ? 'weak' : strength) + 1;
  const tone = isShort ? 'bad' : TONES[strength];
  return (
    <div className={classes['hint']}>
      <div className={classes['bar']} data-tone={tone} aria-hidden="true">
        {STRENGTHS.map((one, index) => (
          <span key={one} data-filled={index < filled} />
        ))}
      </div>
      <p id={id} role="status">
        {password === '' ? (
          t('shared:newPassword.rule', { count: minCharacters })
        ) : (
          <StateMark tone={tone}>
            {isShort ? t('shared:newPassword.short', { count: minCharacters }) : t(`shared:newPassword.strength.${strength}`)}
          </StateMark>
        )}
      </p>
    </div>
  );
}
