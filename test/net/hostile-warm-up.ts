/**
 * Warming up, before a heap is measured: what a node remembers within limits on purpose (texts and their selections,
 * statements, what is parked) is filled first. Measured: the heap of a relay and its server grows by 30 MiB until 60 giant
 * texts have come, and by nothing with the next 60.
 */
import { createRandom } from '../support/random.ts';
import type { Kit } from './hostile-kit.ts';
import { FAMILIES, GIANT } from './hostile-sessions.ts';
import type { HostileWorld } from './hostile-world.ts';

/** Visits of each family, of those that weigh no more than that. */
const WARM_VISITS = 15;
const WARM_WEIGHT = 10;
/** Giant texts at a time, and how often. */
const GIANTS = 12;
const GIANT_BATCHES = 10;

export async function warmUp(world: HostileWorld, kit: Kit): Promise<void> {
  const random = createRandom(1);
  for (const { make, weight = 1 } of Object.values(FAMILIES)) {
    await world.attack(Array.from({ length: weight > WARM_WEIGHT ? 1 : WARM_VISITS }, () => make(kit, random)));
  }
  const { make } = FAMILIES[GIANT]!;
  for (let batch = 0; batch < GIANT_BATCHES; batch += 1) {
    await world.attack(Array.from({ length: GIANTS }, () => make(kit, random)));
  }
}
