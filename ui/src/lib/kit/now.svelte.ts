/** A clock for what is still running: ticks only while something on screen reads it. */
import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 200);
  return () => clearInterval(timer);
});

/** The present, as a value that moves. */
export function now(): number {
  subscribe();
  return Date.now();
}
