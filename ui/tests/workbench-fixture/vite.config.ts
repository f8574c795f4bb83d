/** The window with a made-up disk, to operate the workbench without an engine. */
import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vite';
import fixture from '../fixture/vite.config.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default mergeConfig(fixture, {
  root: path('.'),
  build: { outDir: path('../../node_modules/.cache/berth-workbench') },
});
