import { LoginApp } from '../login/LoginApp.tsx';
import { mountPage } from '../shared/mount-page.tsx';

await mountPage({
  prefix: '/api',
  namespaces: ['login', 'mail', 'fleet', 'installers', 'trust', 'failover', 'backup', 'vault', 'file-store', 'licences'],
  page: <LoginApp />,
});
