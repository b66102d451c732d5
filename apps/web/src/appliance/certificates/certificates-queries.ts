import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { certificatesState, pairComparison, type CertificatesState } from '@bascule/protocol/api/certificates.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const CERTIFICATES_KEY = ['certificates'] as const;
const REFRESH_MS = 10_000;
/** While a certificate is being asked for. */
const REFRESH_RUNNING_MS = 1_000;

export function useCertificates() {
  const api = useApi();
  return useQuery({
    queryKey: CERTIFICATES_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.certificates, certificatesState, {}, signal),
    refetchInterval: ({ state }) => (state.data?.acme.running == null ? REFRESH_MS : REFRESH_RUNNING_MS),
  });
}

/** Asked once, when the page opens, and when somebody wants it: the other appliance is asked through both sites. */
export function usePairComparison() {
  const api = useApi();
  return useQuery({
    queryKey: ['certificates', 'pair'],
    queryFn: ({ signal }) => api.get(apiPaths.certificatePair, pairComparison, {}, signal),
    staleTime: Infinity,
  });
}

/** Takes the state that a change has answered, and asks the other appliance anew. */
export function useTakeCertificates(): (state: CertificatesState) => void {
  const client = useQueryClient();
  return (state) => {
    client.setQueryData(CERTIFICATES_KEY, state);
    void client.invalidateQueries({ queryKey: ['certificates', 'pair'] });
  };
}

/** A change without fields; whatever it answers, the list is read again. */
export function useOrderNow() {
  const api = useApi();
  const take = useTakeCertificates();
  return useMutation({
    mutationFn: () => api.post(apiPaths.orderCertificate, certificatesState),
    onSuccess: take,
  });
}
