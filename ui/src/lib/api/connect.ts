import type { Backend } from './backend';
import { TauriBackend } from './tauri';

/** The engine, from the app's window. */
export function connect(): Backend {
  return new TauriBackend();
}
