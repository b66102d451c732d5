import { z, type ZodType } from 'zod';
import { AppError, notFound } from '@bascule/errors/app-error.ts';

type Part = 'body' | 'query' | 'params';

/** `schema`, refusing unknown fields when it is an object. */
export function strict(schema: ZodType): ZodType {
  return schema instanceof z.ZodObject ? schema.strict() : schema;
}

/**
 * Checks `input`, which is a request's `part`. Throws INPUT_INVALID naming the field (`body.name`); for `params` NOT_FOUND, since what cannot exist is
 * answered like what does not.
 */
export function checkInput(schema: ZodType, part: Part, input: unknown): unknown {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  if (part === 'params') throw notFound();
  const issue = parsed.error.issues[0];
  const unknownKey = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknownKey === undefined ? [] : [unknownKey])];
  const field = [part, ...path].join('.');
  const reason = unknownKey === undefined ? (issue?.message ?? 'is wrong') : 'is not a field of this request';
  throw new AppError('invalid', 'INPUT_INVALID', `${field}: ${reason}`, { field });
}
