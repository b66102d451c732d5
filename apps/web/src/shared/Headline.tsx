import type { ReactNode } from 'react';
import { StateMark, type Tone } from './Section.tsx';
import classes from './Headline.module.css';

interface HeadlineProps {
  tone: Tone;
  /** How things stand, in one sentence. */
  text: ReactNode;
  /** What it means: notes, and buttons that a page places itself. */
  children?: ReactNode;
}

/** The state of a page in one sentence, and what it means. Spoken when it changes; its height is kept, so nothing below it jumps. */
export function Headline({ tone, text, children }: HeadlineProps) {
  return (
    <div className={classes['headline']} data-tone={tone}>
      <p role="status" className={classes['text']}>
        <StateMark tone={tone}>{text}</StateMark>
      </p>
      {children}
    </div>
  );
}

/** A sentence under the headline; `isStrong`: as important as it. */
export function HeadlineNote({ isStrong = false, children }: { isStrong?: boolean; children: ReactNode }) {
  return (
    <p className={classes['note']} data-strong={isStrong}>
      {children}
    </p>
  );
}
