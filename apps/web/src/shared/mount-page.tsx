import '@fontsource-variable/inter/wght.css';
import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './tokens.css';
import './base.css';
import { StrictMode, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { ApiClient, type ApiPrefix } from './api-client.ts';
import { ApiProvider } from './api-context.tsx';
import { applyNonceToStyleElements, cspNonce } from './csp-nonce.ts';
import { FaultBoundary } from './FaultBoundary.tsx';
import { startI18n, type Namespace } from './i18n.ts';
import { watchLoginLoss } from './login-state.ts';
import { Presence } from './presence.ts';
import { createQueryClient } from './query-client.ts';
import { cssVariables, theme } from './theme.ts';

/** Starts one of the three interfaces: `prefix` of its API, `namespaces` of its texts besides 'shared' and 'errors', `page` to show. */
export async function mountPage(options: { prefix: ApiPrefix; namespaces: Namespace[]; page: ReactNode }): Promise<void> {
  applyNonceToStyleElements();
  await startI18n(options.namespaces);
  const api = new ApiClient(options.prefix, new Presence(window));
  const queryClient = createQueryClient();
  watchLoginLoss(api, queryClient);
  const root = document.getElementById('root');
  if (root === null) throw new Error('bug: the page has no #root');
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={cspNonce}>
        <QueryClientProvider client={queryClient}>
          <ApiProvider value={api}>
            {/* Above, where no row of a table and no status bar is. */}
            <Notifications position="top-center" limit={5} />
            <FaultBoundary>{options.page}</FaultBoundary>
          </ApiProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
