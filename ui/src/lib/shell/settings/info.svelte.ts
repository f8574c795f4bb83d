/** What this engine is; asked once per view. */
import { CallError, type AppInfo, type Backend } from '$lib/api';

export class EngineInfo {
  value = $state.raw<AppInfo | null>(null);
  error = $state.raw<CallError | null>(null);

  constructor(backend: Backend) {
    backend.call('app.info', {}).then(
      (info) => (this.value = info),
      (error: unknown) => (this.error = CallError.from(error)),
    );
  }
}
