import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import type { InlineConfig } from 'vite';

export type Output = 'appliance' | 'site';

/** apps/web as an absolute path. */
export const webRoot = fileURLToPath(new URL('..', import.meta.url));

const ENTRIES: Record<Output, { base: string; pages: string[] }> = {
  appliance: { base: '/appliance/', pages: ['appliance.html'] },
  site: { base: '/', pages: ['login.html', 'console.html'] },
};

/** The folder a build of `output` goes to. */
export function outputFolder(output: Output): string {
  return `${webRoot}dist/${output}`;
}

/**
 * The Vite configuration of one of the two outputs: base serves `appliance` below /appliance/, the site serves `site` at its root, so
 * that either can be replaced without the other (docs/decisions/0070).
 */
export function buildConfig(output: Output): InlineConfig {
  const { base, pages } = ENTRIES[output];
  return {
    root: webRoot,
    base,
    configFile: false,
    plugins: [react()],
    build: {
      outDir: outputFolder(output),
      emptyOutDir: true,
      target: ['chrome125', 'firefox125', 'safari17.5'],
      // An inlined `data:` asset or module preload script would need a hole in the content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1500,
      rollupOptions: { input: pages.map((page) => `${webRoot}${page}`) },
    },
  };
}
