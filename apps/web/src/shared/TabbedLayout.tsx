import type { ReactNode } from 'react';
import { Outlet, useLocation } from '@tanstack/react-router';
import { Button } from '@mantine/core';
import { AccountMenu } from './AccountMenu.tsx';
import { PageHeader } from './PageHeader.tsx';
import { TabNav, type Tab } from './TabNav.tsx';

interface TabbedLayoutProps {
  interfaceName: string;
  /** The interface that people come from here to. */
  neighbour: { href: string; label: string };
  label: { main: string; pages: string };
  tabs: Tab[];
  /** The second row of tabs, by the path of the tab that has one. */
  below: Record<string, Tab[]>;
  /** Above every page: what must not be overlooked. */
  banner?: ReactNode;
  /** Shown in the place of a page that is not here. */
  instead?: ReactNode;
}

/** Header, tabs and the page. */
export function TabbedLayout({ interfaceName, neighbour, label, tabs, below, banner, instead }: TabbedLayoutProps): ReactNode {
  const { pathname } = useLocation();
  const secondary = Object.entries(below).find(([path]) => pathname.startsWith(path))?.[1] ?? [];
  return (
    <>
      <PageHeader interfaceName={interfaceName}>
        <Button component="a" href={neighbour.href} variant="default">
          {neighbour.label}
        </Button>
        <AccountMenu />
      </PageHeader>
      <TabNav label={label.main} tabs={tabs} />
      {secondary.length > 0 && <TabNav label={label.pages} tabs={secondary} secondary />}
      <main className="b-page">
        {banner}
        {instead ?? <Outlet />}
      </main>
    </>
  );
}
