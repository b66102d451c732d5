import { useId, type ReactNode } from 'react';
import { Title } from '@mantine/core';
import classes from './Section.module.css';

interface SectionProps {
  title: string;
  /** One or two sentences under the title. */
  note?: ReactNode;
  /** Buttons at the right of the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A titled part of a page, and a landmark of that name. */
export function Section({ title, note, actions, children }: SectionProps) {
  const titleId = useId();
  return (
    <section className={classes['section']} aria-labelledby={titleId}>
      <div className={classes['head']}>
        <Title order={2} id={titleId}>
          {title}
        </Title>
        <div className={classes['actions']}>{actions}</div>
      </div>
      {note !== undefined && <p className={classes['note']}>{note}</p>}
      {children}
    </section>
  );
}

/** Names and values under each other; `rows` are label and content. */
export function Facts({ rows }: { rows: [label: string, content: ReactNode][] }) {
  return (
    <dl className={classes['facts']}>
      {rows.map(([label, content]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{content}</dd>
        </div>
      ))}
    </dl>
  );
}

const MARKS = { ok: '●', warn: '▲', bad: '■', off: '○' } as const;
export type Tone = keyof typeof MARKS;

/** A state in words with a mark whose shape says it, too, not only its colour. */
export function StateMark({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={classes['state']} data-tone={tone}>
      <span aria-hidden="true">{MARKS[tone]}</span> {children}
    </span>
  );
}
