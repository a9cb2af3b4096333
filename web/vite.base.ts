import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import type { UserConfig } from 'vite';

/** What both apps share: assets under hashed names, the common public folder, a development server in front of a running Tollgate. */
export function base(port: number, backend: string): UserConfig {
  const proxied = ['^/api/', '^/graphql$'].map((path) => [path, { target: backend, changeOrigin: true }] as const);
  return {
    plugins: [react()],
    publicDir: fileURLToPath(new URL('packages/ui/public', import.meta.url)),
    build: {
      target: 'baseline-widely-available',
      assetsInlineLimit: 0,
      sourcemap: false,
      manifest: true,
      chunkSizeWarningLimit: 700,
    },
    server: { port, strictPort: true, proxy: Object.fromEntries(proxied) },
  };
}
