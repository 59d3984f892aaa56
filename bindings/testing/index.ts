/** Tendril for tests: real nodes in a simulated world, which replays from its seed. */
export type { CrashPoint, StorageFault } from './disk.ts';
export type { DiskImage } from './disk-image.ts';
export { type MeshNode, type MeshOptions, mesh } from './mesh.ts';
export type { Latency } from './network.ts';
export { Violation } from './violation.ts';
export type { SimulatedEvent } from './virtual-time.ts';
export { MAX_QUIET_MS, type World } from './world.ts';
