/**
 * Network: the simulated links between the nodes of a world, over which real sessions run.
 *
 * Invariants
 *   - a link keeps the rules of `Link`: opened, frames in order, closed once; no callback inside a call;
 *   - its two ends learn of its end each in its own time, so that an old link may still speak when there is a new one.
 */
import type { Connector, LinkEvents } from '../../net/index.ts';
import { Channel, type Way } from './channel.ts';
import type { Incarnation } from './incarnation.ts';
import type { Seeded } from './seeded.ts';
import { SimulatedLink } from './simulated-link.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What of a node the network knows. */
export interface Host {
  readonly name: string;
  /** Null while nobody can reach it. */
  readonly incarnation: () => Incarnation | null;
  /** Serves whoever is at the other end. */
  readonly accept: (connector: Connector) => void;
}

export interface Latency {
  readonly leastMs: number;
  readonly mostMs: number;
}

export interface NetworkParts {
  readonly time: VirtualTime;
  readonly random: Seeded;
  readonly latency: Latency;
}

export class Network {
  readonly #parts: NetworkParts;
  readonly #blocked = new Set<string>();
  readonly #severed = new Set<string>();
  readonly #slow = new Map<string, number>();
  readonly #links = new Set<SimulatedLink>();
  readonly #revenants: string[] = [];

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** From this life of `from` to `to`, which may be down, when asked to connect. */
  connector(from: Host, to: Host, incarnation: Incarnation): Connector {
    return { name: `simulated ${to.name}`, connect: (events) => this.#dial(from, to, incarnation, events) };
  }

  /** No link between them any more, and no new one, until `heal`. Both sides learn of it in their time. */
  cut(a: string, b: string): void {
    this.#severed.add(pairOf(a, b));
    this.reset(a, b);
  }

  /** The links that there are break; new ones may be made at once. */
  reset(a: string, b: string): void {
    for (const link of this.#between(a, b)) this.#breakLink(link, 'reset');
  }

  /** Nothing that `from` sends reaches `to`, and nobody is told. */
  block(from: string, to: string): void {
    this.#blocked.add(wayOf(from, to));
  }

  /** What `from` sends arrives at so many bytes in a second. */
  slow(from: string, to: string, bytesPerSecond: number): void {
    this.#slow.set(wayOf(from, to), bytesPerSecond / 1_000);
  }

  /** All ways are free; those of two nodes only where they are named. */
  heal(a?: string, b?: string): void {
    const concerns = (way: string) => a === undefined || b === undefined || pairOf(...split(way)) === pairOf(a, b);
    for (const set of [this.#blocked, this.#severed]) for (const way of [...set]) if (concerns(way)) set.delete(way);
    for (const way of [...this.#slow.keys()]) if (concerns(way)) this.#slow.delete(way);
    for (const link of this.#links) link.wake();
  }

  isFree(a: string, b: string): boolean {
    return !this.#severed.has(pairOf(a, b)) && !this.#blocked.has(wayOf(a, b)) && !this.#blocked.has(wayOf(b, a));
  }

  /** Whether both sides of a link from one to the other listen: a process that is gone does not, noticed or not. */
  isLinked(from: string, to: string): boolean {
    return [...this.#links].some((link) => link.from.name === from && link.to.name === to && link.isWhole());
  }

  /** A node is gone. `isSilent`: nobody tells the others, as when its power failed. */
  crashed(name: string, isSilent: boolean): void {
    for (const link of [...this.#links]) {
      if (link.from.name !== name && link.to.name !== name) continue;
      link.vanish(name);
      if (isSilent) continue;
      this.#breakLink(link, 'the other side is gone');
    }
  }

  /** Whether something is on its way that will arrive. */
  isIdle(): boolean {
    this.#sweep();
    for (const link of this.#links) if (!link.isIdle()) return false;
    return true;
  }

  /** Nodes that have connected after they were closed, since this was last asked. */
  takeRevenants(): readonly string[] {
    return this.#revenants.splice(0);
  }

  /** Bytes on their way. */
  queuedBytes(): number {
    let bytes = 0;
    for (const link of this.#links) bytes += link.queued();
    return bytes;
  }

  #dial(from: Host, to: Host, incarnation: Incarnation, events: LinkEvents): ReturnType<Connector['connect']> {
    if (incarnation.isClosed) this.#revenants.push(from.name);
    const link = new SimulatedLink({
      ...{ from, to, events, incarnation },
      isReachable: () => !this.#severed.has(pairOf(from.name, to.name)),
      channel: (here, there, arrivals) => new Channel(this.#parts.time, this.#way(here, there), arrivals),
    });
    this.#sweep();
    this.#links.add(link);
    return link.dialled;
  }

  #way(from: string, to: string): Way {
    const { random, latency } = this.#parts;
    const way = wayOf(from, to);
    return {
      from,
      to,
      isBlocked: () => this.#blocked.has(way),
      latencyMs: () => random.between(latency.leastMs, latency.mostMs),
      bytesPerMs: () => this.#slow.get(way) ?? Number.POSITIVE_INFINITY,
    };
  }

  #breakLink(link: SimulatedLink, reason: string): void {
    for (const channel of link.channels()) channel.breakAfter(this.#parts.random.integer(channel.underway + 1), reason);
  }

  #between(a: string, b: string): readonly SimulatedLink[] {
    return [...this.#links].filter(({ from, to }) => pairOf(from.name, to.name) === pairOf(a, b));
  }

  #sweep(): void {
    for (const link of this.#links) if (link.isOver()) this.#links.delete(link);
  }
}

function wayOf(from: string, to: string): string {
  return `${from}>${to}`;
}

function split(way: string): [string, string] {
  const at = way.indexOf('>');
  return [way.slice(0, at), way.slice(at + 1)];
}

/** One name for both ways between two nodes. */
function pairOf(a: string, b: string): string {
  return a < b ? wayOf(a, b) : wayOf(b, a);
}
