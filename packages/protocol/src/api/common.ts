import { z } from 'zod';
/** Every error answer of both interfaces. `message` is English; the interfaces translate `code`. */
export const apiError = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    field: z.string().optional(),
    params: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
    requestId: z.string(),
  }),
});
export type ApiError = z.infer<typeof apiError>;
export const LANGUAGES = ['en', 'de', 'nl', 'it'] as const;
export const language = z.enum(LANGUAGES);
export type Language = z.infer<typeof language>;
export const ok = z.object({ ok: z.literal(true) });
/** Header (value `1`) of requests that a page makes by itself, with nobody at it: they do not keep an idle login session alive. */
export const BACKGROUND_HEADER = 'x-bascule-background';
/** Header in which every changing request repeats the login session's CSRF token. */
export const CSRF_HEADER = 'x-bascule-csrf';
