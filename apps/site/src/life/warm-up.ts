import type { SiteConfig } from '../config/config.ts';

export async function warmUp(_config: SiteConfig): Promise<void> {}
