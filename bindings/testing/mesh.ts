/** Mesh: a world of nodes, from a description of each. */
import { TendrilError } from '../../errors.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import type { Collection, SqliteDriver } from '../../storage/index.ts';
import { Disk } from './disk.ts';
import { type Latency, Network } from './network.ts';
import { type Seeded, seeded } from './seeded.ts';
import { SimulatedNode, type SimulatedNodeParts } from './simulated-node.ts';
import { type SimulatedEvent, VirtualTime } from './virtual-time.ts';
import { World } from './world.ts';

export interface MeshNode<Name extends string = string> {
  readonly collections: readonly Collection[];
  /** Of which node it is a follower; the one without an upstream is the authority. */
  readonly upstream?: Name;
  /** As `Node.open` has it: `ephemeral` with an upstream, unless it is said to be `durable`. */
  readonly role?: 'durable' | 'ephemeral';
  /** `memory`: a crash loses all it had; `file` by default. */
  readonly storage?: 'file' | 'memory';
  /** By how much its clock is ahead at first. */
  readonly skewMs?: number;
  /** Bytes that may wait for one of its followers before it is cut off. */
  readonly queueBytes?: number;
  /** Rows of a snapshot that one of its followers is sent at once. */
  readonly chunkRows?: number;
}

export interface MeshOptions<Name extends string> {
  /** A whole number from 0 up. Everything that is random in the world comes from it. */
  readonly seed: number;
  readonly nodes: Readonly<Record<Name, MeshNode<NoInfer<Name>>>>;
  /** How long a frame takes; 1 to 20 ms by default. */
  readonly latency?: Latency;
  /** How long a node is busy until its next turn: no time by default, so that a local write can be awaited. */
  readonly turns?: Latency;
  /** When the world begins, ms since 1970. */
  readonly startMs?: number;
  /** Gets what `onError` of a node is given; nothing is done by default. */
  readonly onError?: (name: string, error: unknown) => void;
  /** Called after each event, when all that it caused without time passing is done; awaited. */
  readonly onEvent?: (event: SimulatedEvent) => unknown;
  /** Called when a node has crashed, by itself too. */
  readonly onCrash?: (name: string) => void;
}

const LATENCY: Latency = { leastMs: 1, mostMs: 20 };
const START_MS = Date.UTC(2024, 0, 1);

/**
 * Opens a world of simulated nodes. All is real but what lies outside of a node: links, time, randomness and disks.
 *
 * @throws {TendrilError} `invalid-option` for nodes that are no tree below one authority, or a seed that is none.
 */
export async function mesh<const Name extends string>(options: MeshOptions<Name>): Promise<World<Name>> {
  const { seed, nodes: described, latency = LATENCY, onEvent = () => {} } = options;
  checkSeed(seed);
  const time = new VirtualTime(seeded(seed, 'time'));
  const network = new Network({ time, random: seeded(seed, 'network'), latency });
  const nodes = new Map<string, SimulatedNode>();
  for (const name of inOrder(described)) {
    const { upstream, storage, skewMs = 0, ...node } = described[name];
    const kind = storage ?? 'file';
    const parts: SimulatedNodeParts = {
      ...{ name, time, network },
      collections: node.collections,
      role: node.role,
      upstream: upstream === undefined ? null : nodes.get(upstream)!,
      epochMs: options.startMs ?? START_MS,
      random: randomOf(seed, name),
      disk: await Disk.make(kind, openSqlite),
      isPersistent: kind === 'file',
      limits: limitsOf(node),
      turnMs: turnsOf(seeded(seed, `turns ${name}`), options.turns),
      onError: options.onError ?? (() => {}),
      crashed: () => options.onCrash?.(name),
    };
    const simulated = new SimulatedNode(parts);
    simulated.skew(skewMs);
    nodes.set(name, simulated);
  }
  const world = new World<Name>({ seed, time, network, nodes, openSqlite, onEvent });
  for (const node of nodes.values()) {
    // The log of another has to be reached first.
    if (node.isDurable && node.upstream !== null) await world.until(node.start());
    else await node.start();
  }
  return world;
}

function turnsOf(random: Seeded, turns: Latency | undefined): () => number {
  return () => (turns === undefined ? 0 : random.between(turns.leastMs, turns.mostMs));
}

function limitsOf({ queueBytes, chunkRows }: { readonly [Limit in 'queueBytes' | 'chunkRows']?: number | undefined }) {
  return { ...(queueBytes === undefined ? {} : { queueBytes }), ...(chunkRows === undefined ? {} : { chunkRows }) };
}

function openSqlite(): Promise<SqliteDriver> {
  return sqliteFile(':memory:').open();
}

function randomOf(seed: number, name: string): Seeded {
  return seeded(seed, `node ${name}`);
}

/** Upstreams before their followers. */
function inOrder<Name extends string>(described: Readonly<Record<Name, MeshNode<Name>>>): readonly Name[] {
  const names = Object.keys(described) as Name[];
  if (names.length === 0) throw noTree();
  const ordered: Name[] = [];
  while (ordered.length < names.length) {
    const next = names.find((name) => {
      const { upstream } = described[name];
      return !ordered.includes(name) && (upstream === undefined ? ordered.length === 0 : ordered.includes(upstream));
    });
    if (next === undefined) throw noTree();
    ordered.push(next);
  }
  return ordered;
}

function checkSeed(seed: number): void {
  if (Number.isSafeInteger(seed) && seed >= 0) return;
  throw new TendrilError({
    code: 'invalid-option',
    problem: 'The seed of a mesh is no whole number from 0 up.',
    remedy: 'Give a whole number, 0 or more: the same one gives the same world.',
    facts: { option: 'seed', seed },
  });
}

function noTree(): TendrilError {
  return new TendrilError({
    code: 'invalid-option',
    problem: 'The nodes of a mesh are no tree below one authority.',
    remedy: 'Give every node but one an `upstream` that names another node.',
    facts: { option: 'nodes' },
  });
}
