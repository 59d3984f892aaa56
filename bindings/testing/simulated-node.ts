/**
 * Simulated node: a real node over simulated everything, through all its lives.
 *
 * Invariants
 *   - at most one incarnation at a time; what one that crashed had open answers nothing and hears nothing any more;
 *   - what is closed goes on in the same process: whatever it forgot to end is still there, until that crashes;
 *   - its disk, its id, its randomness and its clock's error outlive it.
 */
import { Node, type NodeOptions } from '../../engine/index.ts';
import { TendrilError } from '../../errors.ts';
import { type Connector, over, type ServedLink, serveLink } from '../../net/index.ts';
import type { Collection } from '../../storage/index.ts';
import type { CrashPoint, Disk, StorageFault } from './disk.ts';
import { Incarnation } from './incarnation.ts';
import type { Host, Network } from './network.ts';
import { type Seeded, seededPort } from './seeded.ts';
import type { VirtualTime } from './virtual-time.ts';
import { type Watched, watch } from './watched.ts';

export interface SimulatedNodeParts {
  readonly name: string;
  readonly collections: readonly Collection[];
  readonly upstream: SimulatedNode | null;
  readonly role: 'durable' | 'ephemeral' | undefined;
  readonly time: VirtualTime;
  /** When the world began, ms since 1970. */
  readonly epochMs: number;
  readonly network: Network;
  readonly random: Seeded;
  readonly disk: Disk;
  readonly isPersistent: boolean;
  /** How long it is until its next turn. */
  readonly turnMs: () => number;
  /** Towards each that follows it. */
  readonly limits: { readonly queueBytes?: number; readonly chunkRows?: number };
  readonly onError: (name: string, error: unknown) => void;
  readonly crashed: (node: SimulatedNode) => void;
}

export class SimulatedNode implements Host {
  readonly name: string;
  readonly disk: Disk;
  readonly upstream: SimulatedNode | null;
  collections: readonly Collection[];
  readonly #parts: SimulatedNodeParts;
  readonly #random: ReturnType<typeof seededPort>;
  #skewMs = 0;
  #incarnation: Incarnation | null = null;
  /** Closed in this process. */
  #ghosts: Incarnation[] = [];
  #node: Node | null = null;
  #watched: ReadonlySet<Watched> = new Set();
  #served: ServedLink[] = [];

  constructor(parts: SimulatedNodeParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.disk = parts.disk;
    this.upstream = parts.upstream;
    this.collections = parts.collections;
    this.#random = seededPort(parts.random);
  }

  /** Null while it is down, or being opened. */
  get node(): Node | null {
    return this.#node;
  }

  /** @throws {TendrilError} `closed` while it is down. */
  get running(): Node {
    if (this.#node !== null) return this.#node;
    throw new TendrilError({
      code: 'closed',
      problem: `The simulated node ${this.name} is down.`,
      remedy: `Restart it: await world.restart('${this.name}').`,
      facts: { name: this.name },
    });
  }

  /** It keeps a log of its own. */
  get isDurable(): boolean {
    return this.upstream === null || this.#parts.role === 'durable';
  }

  /** What its disk holds outlives a crash. */
  get isPersistent(): boolean {
    return this.#parts.isPersistent;
  }

  get isAwaitingTurn(): boolean {
    return this.#incarnation?.isAwaitingTurn === true;
  }

  get watched(): ReadonlySet<Watched> {
    return this.#watched;
  }

  /** Null for whoever calls it before it is open. */
  readonly incarnation = (): Incarnation | null => (this.#node === null ? null : this.#incarnation);

  readonly accept = (connector: Connector): void => {
    const { scheduler } = this.#incarnation!.ports;
    const { limits } = this.#parts;
    const served = serveLink(this.running, connector, {
      access: 'open',
      ports: { scheduler },
      onError: this.#failed,
      limits,
    });
    this.#served = [...this.#served.filter((each) => each.report().sessions > 0), served];
  };

  clockMs(): number {
    const { epochMs, time } = this.#parts;
    return Math.floor(epochMs + time.now) + this.#skewMs;
  }

  /** From now on its clock is that much ahead of the world's. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  /** Opens it, on what its disk holds. @throws what `Node.open` throws. */
  async start(): Promise<Node> {
    const { time, name, network, isPersistent, disk, role, turnMs } = this.#parts;
    if (this.#incarnation !== null) this.crash();
    if (!isPersistent) await disk.erase();
    const incarnation = new Incarnation({
      ...{ name, time, random: this.#random, turnMs },
      clockMs: () => this.clockMs(),
    });
    this.#incarnation = incarnation;
    const options: NodeOptions = {
      collections: this.collections,
      storage: disk.storage(),
      ports: incarnation.ports,
      onError: this.#failed,
      ...(role === undefined ? {} : { role }),
      ...(this.upstream === null ? {} : { upstream: over(network.connector(this, this.upstream, incarnation)) }),
    };
    try {
      const node = await Node.open(options);
      if (!incarnation.isAlive) throw new TendrilError(CRASHED);
      this.#watched = watch(node);
      this.#node = node;
      return node;
    } catch (error) {
      if (this.#incarnation === incarnation) this.crash();
      throw error;
    }
  }

  /** Closes it, as its program does: from now on it is down. Resolves when it has closed; never if it crashes meanwhile. */
  async stop(): Promise<void> {
    const node = this.running;
    const incarnation = this.#incarnation!;
    this.#node = null;
    this.#watched = new Set();
    await node.close();
    if (this.#incarnation !== incarnation) return;
    this.#incarnation = null;
    incarnation.isClosed = true;
    this.#ghosts.push(incarnation);
    this.#served = [];
    this.disk.abandon();
  }

  /** Its process is gone, at once. `isSilent`: those it spoke with are not told. */
  crash(isSilent = false): void {
    const incarnation = this.#incarnation;
    if (incarnation === null) return;
    for (const each of [incarnation, ...this.#ghosts.splice(0)]) each.end();
    this.#incarnation = null;
    this.#node = null;
    this.#watched = new Set();
    this.#served = [];
    this.disk.abandon();
    this.#parts.network.crashed(this.name, isSilent);
    this.#parts.crashed(this);
  }

  crashLater(at: CrashPoint, isSilent: boolean): void {
    this.disk.crashLater(at, () => this.crash(isSilent));
  }

  failStorage(fault: StorageFault): void {
    this.disk.failLater(fault);
  }

  /** For one of those that follow it: the one for which most wait. */
  waitingBytes(): number {
    return this.#served.reduce((most, served) => Math.max(most, served.report().queuedBytes), 0);
  }

  readonly #failed = (error: unknown): void => this.#parts.onError(this.name, error);
}

const CRASHED = {
  code: 'closed',
  problem: 'The node crashed while it was opened.',
  remedy: 'Restart it.',
} as const;
