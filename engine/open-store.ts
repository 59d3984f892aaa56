/**
 * Opening what a node of any role begins with: its options, checked; its storage, opened; its mint, above all it holds.
 *
 * Whatever fails after the storage was opened closes it again, so that its lock is free.
 */
import { TendrilError } from '../errors.ts';
import { utf8Length } from '../query/index.ts';
import { type Collection, MAX_NAME_BYTES, memory, openStore, type Storage } from '../storage/index.ts';
import { createCatalog } from './catalog.ts';
import type { CoreBase } from './core.ts';
import { localEntries } from './local-collection.ts';
import { systemClock } from './ports/clock.ts';
import type { Ports } from './ports/ports.ts';
import { createSystemRandom } from './ports/random.ts';
import { systemScheduler } from './ports/scheduler.ts';
import { checkStaging, type Staging } from './staging.ts';
import type { Upstream } from './stream.ts';
import { Refused } from './upstream/refusals/refused.ts';
import { createMint } from './write/mint.ts';

export interface NodeOptions {
  /** `ephemeral` if `upstream` is given, else `durable`; `durable` with an upstream keeps and follows its whole log. */
  readonly role?: 'durable' | 'ephemeral';
  readonly collections: readonly Collection[];
  /** In memory by default. A file keeps also what an ephemeral node holds and what waits to be settled; it is of one role for ever. */
  readonly storage?: Storage;
  /** Who settles what it writes, and has what it does not hold. See `webSocket`. */
  readonly upstream?: Upstream;
  /** When what is written here is offered to the authority, where `transact` does not say it: `queue` by default. */
  readonly staging?: Staging;
  /** Stands in every operation made here; the node's own id by default. */
  readonly author?: string;
  /** Gets what callbacks throw, and failures that no caller waits for; `console.error` by default. */
  readonly onError?: (error: unknown) => void;
  /** For simulation. */
  readonly ports?: Partial<Ports>;
}

/** - `assemble`: makes the node of what was opened. - `local`: the collections of its own that it keeps. */
export async function openStorage<Node>(
  options: NodeOptions,
  assemble: (base: CoreBase) => Node,
  local: readonly Collection[] = [],
): Promise<Node> {
  checkOptions(options);
  const driver = await (options.storage ?? memory()).open();
  try {
    const { clock = systemClock, random = createSystemRandom(), scheduler = systemScheduler } = options.ports ?? {};
    const mint = createMint(clock, random);
    const { role = options.upstream === undefined ? 'durable' : 'ephemeral' } = options;
    const store = openStore(driver, [...options.collections, ...local], mint.next, role);
    const greatest = store.log.greatestId();
    if (greatest !== null) mint.observe(greatest);
    const catalog = createCatalog(options.collections, store.descriptors, localEntries([Refused], store.descriptors));
    return assemble({ ...store, catalog, mint, clock, random, scheduler, author: options.author ?? store.node });
  } catch (error) {
    try {
      driver.close();
    } catch {
      // Why it could not be opened says more than why it could not be closed then.
    }
    throw error;
  }
}

function checkOptions({ role, author, collections, upstream, staging }: NodeOptions): void {
  if (role !== undefined && role !== 'durable' && (role !== 'ephemeral' || upstream === undefined)) {
    throw invalidOption('role', "Leave it out, or give 'durable'; an ephemeral node needs an upstream.");
  }
  if (upstream !== undefined && typeof upstream?.connect !== 'function') {
    throw invalidOption('upstream', "Give what webSocket('ws://...') returns, or another connector.");
  }
  if (staging !== undefined) checkStaging(staging);
  if (!Array.isArray(collections)) throw invalidOption('collections', 'Give an array of what collection(...) returns.');
  if (author !== undefined && (typeof author !== 'string' || author === '' || utf8Length(author) > MAX_NAME_BYTES)) {
    throw invalidOption('author', `Give a text of 1 to ${MAX_NAME_BYTES} bytes, or leave it out.`);
  }
}

export function invalidOption(option: string, remedy: string): TendrilError {
  return new TendrilError({
    code: 'invalid-option',
    problem: `The option \`${option}\` was given a value that makes no sense here.`,
    remedy,
    facts: { option },
  });
}
