/** Core: what the writing and the reading parts of one open node share. */
import type { Store } from '../storage/index.ts';
import type { Catalog } from './catalog.ts';
import type { Clock } from './ports/clock.ts';
import type { Random } from './ports/random.ts';
import type { Scheduler } from './ports/scheduler.ts';
import type { Mint } from './write/mint.ts';

export interface Core extends Store {
  readonly catalog: Catalog;
  readonly mint: Mint;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** Stands in every operation made here. */
  readonly author: string;
}
