import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import classes from './TabNav.module.css';

export interface Tab {
  to: string;
  label: string;
  /** Another tab's address begins with this one's. */
  isExact?: boolean;
  /** Something that waits behind this tab. */
  badge?: ReactNode;
}

/** A row of tabs as links; `label` names the row. `secondary` is the row below the main one. */
export function TabNav({ label, tabs, secondary = false }: { label: string; tabs: Tab[]; secondary?: boolean }) {
  return (
    <nav className={classes['nav']} data-secondary={secondary} aria-label={label}>
      {tabs.map((tab) => (
        <Link key={tab.to} to={tab.to} className={classes['tab']} activeOptions={{ exact: tab.isExact === true }}>
          {tab.label}
          {tab.badge !== undefined && <span className={classes['badge']}>{tab.badge}</span>}
        </Link>
      ))}
    </nav>
  );
}
