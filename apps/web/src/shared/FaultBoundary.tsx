import { Component, type ReactNode } from 'react';
import i18next from 'i18next';
import { Alert, Button, Group, Text } from '@mantine/core';

/** Shows a fault of the page itself as a sentence with a way out, instead of an empty page. */
export class FaultBoundary extends Component<{ children: ReactNode }, { fault: unknown }> {
  override state: { fault: unknown } = { fault: undefined };

  static getDerivedStateFromError(fault: unknown): { fault: unknown } {
    return { fault };
  }

  override render(): ReactNode {
    if (this.state.fault === undefined) return this.props.children;
    return <FaultNotice fault={this.state.fault} />;
  }
}

/** Says that the page has stopped, and why; for the boundary above and for the routers, which catch the faults of their pages themselves. */
export function FaultNotice({ fault }: { fault: unknown }) {
  const detail = fault instanceof Error ? fault.message : '';
  return (
    <div className="b-page">
      <Alert color="red" title={i18next.t('shared:fault.title')}>
        <Text>{i18next.t('shared:fault.text')}</Text>
        <Text className="b-mono" my="xs">
          {detail}
        </Text>
        <Group>
          <Button onClick={() => window.location.reload()}>{i18next.t('shared:fault.reload')}</Button>
        </Group>
      </Alert>
    </div>
  );
}
