import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { frozenPrototype } from './vite-frozen-prototype.ts';

export default defineConfig({
  plugins: [svelte(), frozenPrototype()],
  resolve: { alias: { $lib: fileURLToPath(new URL('./src/lib', import.meta.url)) } },
  // The oldest engines that know `light-dark()`; for older ones the build would rewrite every colour.
  build: {
    // Fonts and pictures stay files: the content security policy takes no `data:` fonts.
    assetsInlineLimit: 0,
    target: ['chrome123', 'safari17.5'],
    cssTarget: ['chrome123', 'safari17.5'],
    chunkSizeWarningLimit: 700,
  },
  server: { port: 5173, strictPort: true, host: '127.0.0.1' },
  clearScreen: false,
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
