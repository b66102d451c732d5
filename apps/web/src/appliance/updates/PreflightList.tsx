import { useTranslation } from 'react-i18next';
import { Checkbox } from '@mantine/core';
import type { PreflightLine } from '@bascule/protocol/api/updates.ts';
import { StateMark } from '../../shared/Section.tsx';
import { preflightText } from './update-texts.ts';
import classes from './updates.module.css';

const TONES = { green: 'ok', amber: 'warn', red: 'bad' } as const;

interface PreflightListProps {
  lines: readonly PreflightLine[];
  ticked: ReadonlySet<string>;
  /** Absent: nothing is to be overruled, the list is only shown. */
  onTick?: (code: string, isTicked: boolean) => void;
}

/** What is looked at before anything changes: worst first, each with what to do; amber lines can be overruled one by one. */
export function PreflightList({ lines, ticked, onTick }: PreflightListProps) {
  const { t } = useTranslation();
  const order = ['red', 'amber', 'green'];
  const sorted = lines.toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
  return (
    <ul className={classes['preflight']} aria-label={t('updates:install.preflight')}>
      {sorted.map((line) => {
        const { text, advice } = preflightText(line);
        return (
          <li key={line.code} data-outcome={line.outcome}>
            <StateMark tone={TONES[line.outcome]}>
              <span className="b-visually-hidden">{t(`updates:install.outcome.${line.outcome}`)}: </span>
              <span className={classes['lineText']}>{text}</span>
            </StateMark>
            {advice !== '' && line.outcome !== 'green' && <p>{advice}</p>}
            {line.details.length > 0 && (
              <details>
                <summary>{t('updates:install.details', { count: line.details.length })}</summary>
                <ul>
                  {line.details.map((detail, index) => (
                    <li key={`${index} ${detail}`}>{detail}</li>
                  ))}
                </ul>
              </details>
            )}
            {line.outcome === 'amber' && onTick !== undefined && (
              <Checkbox
                mt={4}
                label={
                  <>
                    {t('updates:install.overrule')} <span className="b-visually-hidden">{text}</span>
                  </>
                }
                checked={ticked.has(line.code)}
                onChange={(event) => onTick(line.code, event.currentTarget.checked)}
              />
            )}
          </li>
        );
      })}
    </ul>
  );
}
