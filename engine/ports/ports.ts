/** Ports: what a node takes from the outside world, all in one hand, so that a run replays from its seed. */
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
}
