import type { Backend } from './backend';

/** The backend that fits where this page runs: the app's window, or a browser beside a bridge. */
export async function connect(): Promise<Backend> {
  if ('__TAURI_INTERNALS__' in window) {
    const { TauriBackend } = await import('./tauri');
    return new TauriBackend();
  }
  const { BridgeBackend } = await import('./bridge');
  const asked = new URLSearchParams(location.search).get('bridge');
  return new BridgeBackend(asked ?? `ws://${location.host}/bridge`);
}
