import { AppError } from '@bascule/errors/app-error.ts';

/** The field of the form, and of `curl -F key=@key.txt`. */
const FIELD = 'key';

/**
 * The text of the download key in the body of a request: the field `key` of a form (as browsers and `curl -F` send it), or the body itself (`curl
 * --data-binary`). Throws FORM_MALFORMED.
 */
export async function readKeyText(body: Buffer, contentType = ''): Promise<string> {
  const isForm = /^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(contentType);
  // `curl --data-binary @key.txt` calls the file a form too; a key is none.
  if (!isForm || (body.subarray(0, 5).toString() === '-----' && !contentType.startsWith('multipart'))) return body.toString();
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData().catch(() => {
    throw malformed();
  });
  const value = form.get(FIELD);
  if (value === null) throw malformed();
  return typeof value === 'string' ? value : value.text();
}

function malformed(): AppError {
  return new AppError(
    'invalid',
    'FORM_MALFORMED',
    `Send the download key as the field '${FIELD}' of a form: curl -F ${FIELD}=@key.txt`,
  );
}
