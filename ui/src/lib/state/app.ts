/** What every component may need, handed down by Svelte's context. */
import { createContext } from 'svelte';
import type { Backend } from '$lib/api';
import type { Checks } from './checks.svelte';
import type { Layout } from './layout.svelte';
import type { Navigation } from './navigation.svelte';
import type { Power } from './power.svelte';
import type { Space } from './space.svelte';

export interface App {
  backend: Backend;
  space: Space;
  navigation: Navigation;
  layout: Layout;
  power: Power;
  checks: Checks;
}

/** `useApp()` in a component's script gives the backend, the mirror, where one is, and what is open. */
export const [useApp, provideApp] = createContext<App>();
