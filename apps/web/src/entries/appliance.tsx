import { ApplianceApp } from '../appliance/ApplianceApp.tsx';
import { mountPage } from '../shared/mount-page.tsx';

await mountPage({
  prefix: '/appliance/api',
  namespaces: [
    'login',
    'appliance',
    'updates',
    'plans',
    'mail',
    'network',
    'certificates',
    'trust',
    'security',
    'health',
    'storage',
    'syslog',
    'support',
    'reset',
    'move',
    'restore',
  ],
  page: <ApplianceApp />,
});
