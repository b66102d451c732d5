import { useMutation } from '@tanstack/react-query';
import { startAuthentication, type PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/browser';
import { loginAnswer, passkeyOptions } from '@bascule/protocol/api/auth.ts';
import { ApiError } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { useRefreshMe } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';

/** The browser's refusal (closed dialogue, no passkey, no WebAuthn here) as an error with a translated text. */
export function passkeyFailure(cause: unknown): Error {
  if (cause instanceof ApiError) return cause;
  const name = cause instanceof Error ? cause.name : '';
  const code =
    name === 'NotAllowedError' || name === 'AbortError'
      ? 'PASSKEY_CANCELLED'
      : name === 'InvalidStateError'
        ? 'PASSKEY_KNOWN'
        : 'PASSKEY_UNAVAILABLE';
  return new ApiError(code, 'The browser did not use a passkey.', { status: 0 });
}

/** Logs in by passkey: instead of the password, or as second factor of the login session that the password began. */
export function usePasskeyLogin() {
  const api = useApi();
  const refreshMe = useRefreshMe();
  return useMutation({
    mutationFn: async () => {
      const { options } = await api.post(apiPaths.loginPasskeyBegin, passkeyOptions);
      const optionsJSON = options as unknown as PublicKeyCredentialRequestOptionsJSON;
      const response = await startAuthentication({ optionsJSON }).catch((cause: unknown) => {
        throw passkeyFailure(cause);
      });
      api.setCsrf((await api.post(apiPaths.loginPasskeyFinish, loginAnswer, { response })).csrf);
      await refreshMe();
    },
  });
}
