/** Stands in for the program that reads backups: does what the name of the file says. */
process.on('disconnect', () => process.exit(0));
process.on('message', (order: { file: string; password?: string }) => {
  const tell = (message: unknown) => process.send?.(message);
  switch (order.file) {
    case '/answers':
      tell({ kind: 'progress', done: 1, total: 2 });
      // What it was started with: neither arguments nor environment may tell a password.
      return void tell({
        kind: 'done',
        result: { arguments: process.argv.slice(2), environment: process.env, hasPassword: order.password === 'the password' },
      });
    case '/refuses':
      return void tell({ kind: 'failed', code: 'BACKUP_DAMAGED', message: 'The backup is damaged.', params: { what: 'x' } });
    case '/babbles':
      return void tell({ kind: 'nonsense' });
    case '/dies':
      return process.kill(process.pid, 'SIGKILL') as unknown as void;
    default:
    // Silent.
  }
});
