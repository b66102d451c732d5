/**
 * Passwords of the backups that were looked into, for as long as this page is open: they are asked for once, and never stored. By the id of the upload.
 */
const passwords = new Map<string, string>();

export function rememberPassword(upload: string, password: string): void {
  passwords.clear();
  if (password !== '') passwords.set(upload, password);
}

/** Empty as the body of a request wants it: without the field. */
export function passwordOf(upload: string): { password?: string } {
  const password = passwords.get(upload);
  return password === undefined ? {} : { password };
}
