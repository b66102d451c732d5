import i18next from 'i18next';

/** Why a file cannot be had here: by its code in the person's language, else the site's own sentence. */
export function problemText(problem: { code: string; message: string }): string {
  const key = `errors:${problem.code}`;
  return i18next.exists(key) ? i18next.t(key) : problem.message;
}
