import { LossesSection } from './LossesSection.tsx';
import { SiteIdentitySection } from './SiteIdentitySection.tsx';

/** Jump > Trust: who would be lost by a change, and the identity that clients know the site by (I6). */
export function TrustPage() {
  return (
    <>
      <LossesSection />
      <SiteIdentitySection />
    </>
  );
}
