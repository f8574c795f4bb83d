/** What can be chosen in a menu. */
import type { Component } from 'svelte';

export type MenuItem =
  | 'separator'
  | {
      label: string;
      icon?: Component<{ 'aria-hidden'?: 'true' }>;
      /** The keys that do the same. */
      keys?: string;
      danger?: boolean;
      run: () => void;
    };
