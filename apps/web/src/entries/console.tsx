import { useTranslation } from 'react-i18next';
import { LoginGate } from '../account/LoginGate.tsx';
import { ConsoleApp } from '../console/ConsoleApp.tsx';
import { ConsoleOnBackup } from '../console/ConsoleOnBackup.tsx';
import { mountPage } from '../shared/mount-page.tsx';

function ConsolePage() {
  const { t } = useTranslation();
  return (
    <LoginGate interfaceName={t('shared:console')}>
      <ConsoleOnBackup>
        <ConsoleApp />
      </ConsoleOnBackup>
    </LoginGate>
  );
}

await mountPage({ prefix: '/api', namespaces: ['login', 'console'], page: <ConsolePage /> });
