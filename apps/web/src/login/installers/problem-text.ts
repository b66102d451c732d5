import i18next from 'i18next';

/** What is wrong with something: by its code in the person's language, else the site's own sentence; that also where the text has gaps, which only the site can fill. */
export function problemText(problem: { code: string; message: string }): string {
  const key = `errors:${problem.code}`;
  if (!i18next.exists(key)) return problem.message;
  const text = i18next.t(key);
  return text.includes('{{') ? problem.message : text;
}
