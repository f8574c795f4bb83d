/** The screens a page can be looked at on. */
import Laptop from '@lucide/svelte/icons/laptop';
import Maximize from '@lucide/svelte/icons/maximize';
import Smartphone from '@lucide/svelte/icons/smartphone';
import Tablet from '@lucide/svelte/icons/tablet';

export const DEVICES = {
  full: { label: 'As wide as there is room', icon: Maximize, width: null, height: null },
  phone: { label: 'Phone, 390 wide', icon: Smartphone, width: 390, height: 844 },
  tablet: { label: 'Tablet, 820 wide', icon: Tablet, width: 820, height: 1180 },
  laptop: { label: 'Laptop, 1280 wide', icon: Laptop, width: 1280, height: 800 },
} as const;

export type Device = keyof typeof DEVICES;

/** How a page is drawn in the room there is. */
interface Frame {
  width: number;
  height: number;
  scale: number;
}

const MARGIN = 12;

/** Fits a device into the room, smaller where it must be, never larger; `null` fills the room. */
export function frameOf(device: Device, room: { width: number; height: number }): Frame | null {
  const { width, height } = DEVICES[device];
  if (width === null) return null;
  const scale = Math.min(1, (room.width - 2 * MARGIN) / width, (room.height - 2 * MARGIN) / height);
  return { width, height, scale: Math.max(0.1, scale) };
}
