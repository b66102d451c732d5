import { LoginGate } from '../account/LoginGate.tsx';
import { ConsoleApp } from '../console/ConsoleApp.tsx';
import { mountPage } from '../shared/mount-page.tsx';

const page = (
  <LoginGate interfaceName="Console">
    <ConsoleApp />
  </LoginGate>
);
await mountPage({ prefix: '/api', namespaces: ['login', 'console'], page });
