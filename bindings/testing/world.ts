/**
 * World: nodes, links, clocks, timers and disks, all simulated around the real engine, in one thread and in virtual time.
 *
 * Invariants
 *   - the same seed and the same calls give the same run, event by event;
 *   - after each event all that it caused without time passing is done, before the next event is looked at;
 *   - time passes only in `run`, `until` and `quiet`.
 */
import { type Node, systemScheduler } from '../../engine/index.ts';
import { TendrilError } from '../../errors.ts';
import type { Collection } from '../../storage/index.ts';
import { AuthorityLog } from './authority-log.ts';
import type { CrashPoint, StorageFault } from './disk.ts';
import type { DiskImage } from './disk-image.ts';
import type { Network } from './network.ts';
import { Oracle } from './oracle.ts';
import { isQuiet, unquiet } from './quietness.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { Violation } from './violation.ts';
import { IMMEDIATE_MS, type SimulatedEvent, type VirtualTime } from './virtual-time.ts';

/** How long `quiet` and `until` wait by default, in virtual time: reconnections and deadlines are over by then. */
export const MAX_QUIET_MS = 10 * 60_000;

export interface WorldParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly network: Network;
  /** An upstream before those that follow it. */
  readonly nodes: ReadonlyMap<string, SimulatedNode>;
  readonly openSqlite: ConstructorParameters<typeof Oracle>[1];
  readonly onEvent: (event: SimulatedEvent) => unknown;
}

export class World<Name extends string = string> {
  readonly seed: number;
  /** The nodes that are open. One that was restarted is another object; one that is down throws `closed`. */
  readonly nodes: Readonly<Record<Name, Node>>;
  readonly #parts: WorldParts;
  readonly #authority: SimulatedNode;
  readonly #log = new AuthorityLog();
  readonly #oracle: Oracle;
  readonly #seen = new Seen();
  /** What the authority's log was when a backup was made. */
  readonly #backups = new WeakMap<DiskImage, AuthorityLog['transactions']>();
  /** Groups that the authority had committed when its log was read. */
  #readCommits = -1;
  /** The host's turn in which events happen is taken. */
  #isDriving = false;
  #isPumping = false;
  #whenFree: (() => void)[] = [];

  constructor(parts: WorldParts) {
    this.#parts = parts;
    this.seed = parts.seed;
    this.#authority = [...parts.nodes.values()][0]!;
    this.#oracle = new Oracle(this.#log, parts.openSqlite);
    const nodes = {} as Record<Name, Node>;
    for (const [name, simulated] of parts.nodes) {
      Object.defineProperty(nodes, name, { enumerable: true, get: () => simulated.running });
    }
    this.nodes = nodes;
    parts.time.onImmediate = () => this.#pumpLater();
  }

  /** Virtual milliseconds since the world began. */
  get now(): number {
    return this.#parts.time.now;
  }

  /** Lets that much time pass, and all happen that is due. */
  run(ms: number): Promise<void> {
    return this.#drive(async () => {
      const endMs = this.now + ms;
      while ((this.#parts.time.nextMs() ?? Number.POSITIVE_INFINITY) <= endMs) await this.#step();
      this.#parts.time.skipTo(endMs);
    });
  }

  /** Does it in so much virtual time. Returns what cancels it. */
  after(delayMs: number, what: string, task: () => void): () => void {
    return this.#parts.time.after(delayMs, what, task);
  }

  /** The next event, whenever it is due. False when there is none. */
  async step(): Promise<boolean> {
    let isDone = false;
    await this.#drive(async () => {
      isDone = await this.#step();
    });
    return isDone;
  }

  /** Lets time pass until `promise` has settled, and returns what it gave. @throws what it threw; Violation if it takes too long. */
  async until<Result>(promise: Promise<Result>, maxMs = MAX_QUIET_MS): Promise<Result> {
    let isSettled = false;
    const settled = () => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.#drive(() =>
      this.#stepUntil(
        () => isSettled,
        maxMs,
        () => 'a promise has not settled',
      ),
    );
    return promise;
  }

  /** Lets time pass until nothing is pending, asked for or on its way, wherever a node can reach its upstream. @throws {Violation} */
  quiet(maxMs = MAX_QUIET_MS): Promise<void> {
    const { nodes, network } = this.#parts;
    const quiet = () => isQuiet(nodes.values(), network);
    return this.#drive(() => this.#stepUntil(quiet, maxMs, () => `no quiet: ${unquiet(nodes.values(), network)}`));
  }

  /** Links between the two break, and none can be made, until `heal`. */
  cut(a: Name, b: Name): void {
    this.#parts.network.cut(a, b);
  }

  /** Links between the two break; they may be made again at once. */
  reset(a: Name, b: Name): void {
    this.#parts.network.reset(a, b);
  }

  /** One way only, and nobody is told: what `from` sends does not reach `to`. */
  block(from: Name, to: Name): void {
    this.#parts.network.block(from, to);
  }

  /** What `from` sends to `to` takes its time. */
  slow(from: Name, to: Name, bytesPerSecond: number): void {
    this.#parts.network.slow(from, to, bytesPerSecond);
  }

  /** Ends what `cut`, `block` and `slow` began: everywhere, with the faults that disks wait for, or between two nodes. */
  heal(a?: Name, b?: Name): void {
    this.#parts.network.heal(a, b);
    if (a === undefined) for (const { disk } of this.#parts.nodes.values()) disk.disarm();
  }

  /** Bytes that wait for the follower for which most wait. */
  waitingBytes(name: Name): number {
    return this.#node(name).waitingBytes();
  }

  /** The node's process ends. `isSilent`: without a word, as when its power fails. */
  crash(name: Name, isSilent = false): void {
    this.#node(name).crash(isSilent);
  }

  /** Closes the node, as its program does. It takes virtual time where something is pending: await it with `until`. */
  stop(name: Name): Promise<void> {
    return this.#node(name).stop();
  }

  /** As `crash`, in the next group that it commits. */
  crashLater(name: Name, at: CrashPoint, isSilent = false): void {
    this.#node(name).crashLater(at, isSilent);
  }

  /** One of its next calls of SQLite inside a transaction fails. */
  failStorage(name: Name, fault: StorageFault): void {
    this.#node(name).failStorage(fault);
  }

  isUp(name: Name): boolean {
    return this.#node(name).node !== null;
  }

  /** Opens a node again, after a crash or instead of the one that is open; with other collections if they are given. */
  async restart(name: Name, collections?: readonly Collection[]): Promise<Node> {
    const node = this.#node(name);
    node.crash();
    if (collections !== undefined) node.collections = collections;
    this.#oracle.reopened(node);
    if (node === this.#authority) {
      this.#log.reopened();
      this.#readCommits = -1;
    }
    return node.start();
  }

  /** The node's clock is that much ahead of the world's, from now on. */
  skew(name: Name, ms: number): void {
    this.#node(name).skew(ms);
  }

  /** All that the node's disk holds. */
  backup(name: Name): DiskImage {
    const node = this.#node(name);
    const image = node.disk.image();
    if (node === this.#authority) this.#backups.set(image, this.#log.transactions);
    return image;
  }

  /** Opens the node on what its disk held then. */
  async restore(name: Name, image: DiskImage): Promise<Node> {
    const node = this.#node(name);
    node.crash();
    await node.disk.restore(image);
    if (node === this.#authority) {
      this.#log.restored(this.#backups.get(image) ?? []);
      this.#oracle.restored(this.#parts.nodes.values());
    }
    return this.restart(name);
  }

  /** The authority's transactions, as far as they have been read. */
  async log(): Promise<AuthorityLog> {
    await this.#read();
    return this.#log;
  }

  /** @throws {Violation} where a node shows what it should not (see Oracle). */
  async check(): Promise<void> {
    const violations = [...(await this.violations())];
    if (this.#authority.node !== null) {
      violations.push(...(await this.#oracle.tableViolations(this.#authority)), ...(await this.#endViolations()));
    }
    if (violations.length > 0) throw new Violation(this.seed, violations);
  }

  /** The same of live queries only, of one node or of all that are up. */
  async violations(name?: Name): Promise<readonly string[]> {
    const found = [...(await this.#read()), ...this.#revenants()];
    const nodes = name === undefined ? [...this.#parts.nodes.values()] : [this.#node(name)];
    for (const node of nodes) if (node.node !== null) found.push(...(await this.#oracle.violations(node)));
    return found;
  }

  /**
   * The same, of the nodes that have committed something, or show it otherwise, since this was last asked. `touchedBy`: the
   * ids that a node has pending writes of; so that the other rows of its selections can be judged meanwhile.
   */
  async freshViolations(touchedBy?: (name: string) => ReadonlySet<string>): Promise<readonly string[]> {
    const found = [...(await this.#read()), ...this.#revenants()];
    this.#oracle.observe(this.#parts.nodes.values());
    for (const node of this.#parts.nodes.values()) {
      if (node.node === null || !this.#seen.isChanged(node)) continue;
      found.push(...(await this.#oracle.violations(node, { touched: touchedBy?.(node.name) })));
    }
    return found;
  }

  /** Ends it all: nothing is waited for. */
  close(): void {
    this.#parts.time.onImmediate = () => {};
    for (const node of this.#parts.nodes.values()) {
      node.crash();
      node.disk.close();
    }
    this.#oracle.close();
  }

  /** Where nothing is on its way, of those that reach the authority. */
  async #endViolations(): Promise<readonly string[]> {
    const { nodes, network } = this.#parts;
    if (!isQuiet(nodes.values(), network)) return [];
    const found: string[] = [];
    for (const node of nodes.values()) {
      if (node === this.#authority || !reaches(node, network)) continue;
      found.push(...(await this.#oracle.violations(node, { isAtEnd: true })));
      found.push(...this.#oracle.heldViolations(node, this.#authority));
    }
    return found;
  }

  #revenants(): readonly string[] {
    return this.#parts.network.takeRevenants().map((name) => `${name}: connects again after it was closed`);
  }

  async #read(): Promise<readonly string[]> {
    const { node, disk } = this.#authority;
    if (node === null || disk.commits === this.#readCommits) return [];
    this.#readCommits = disk.commits;
    return this.#log.read(node, floorOf(this.#authority));
  }

  #node(name: Name): SimulatedNode {
    const node = this.#parts.nodes.get(name);
    if (node !== undefined) return node;
    throw new TendrilError({
      code: 'invalid-option',
      problem: `There is no node ${JSON.stringify(name)} in this world.`,
      remedy: `Name one of ${[...this.#parts.nodes.keys()].join(', ')}.`,
      facts: { name },
    });
  }

  async #stepUntil(isDone: () => boolean, maxMs: number, why: () => string): Promise<void> {
    const endMs = this.now + maxMs;
    while (!isDone()) {
      const nextMs = this.#parts.time.nextMs();
      if (nextMs === null || nextMs > endMs) throw new Violation(this.seed, [`${why()} (after ${maxMs} ms)`]);
      await this.#step();
    }
  }

  async #stepImmediate(): Promise<void> {
    const { time } = this.#parts;
    while ((time.nextMs() ?? Number.POSITIVE_INFINITY) <= time.now + IMMEDIATE_MS) await this.#step();
  }

  /** One event, and what it causes without time passing. */
  async #step(): Promise<boolean> {
    const event = this.#parts.time.take();
    if (event === null) return false;
    event.run();
    await turnOver();
    await this.#parts.onEvent(event);
    return true;
  }

  async #drive(body: () => Promise<void>): Promise<void> {
    // What the caller began a moment ago comes first.
    await turnOver();
    while (this.#isDriving) await new Promise<void>((resolve) => this.#whenFree.push(resolve));
    this.#isDriving = true;
    try {
      await body();
    } finally {
      this.#isDriving = false;
      for (const free of this.#whenFree.splice(0)) free();
    }
  }

  /** What needs no time happens by itself, so that a local write can be awaited. */
  #pumpLater(): void {
    if (this.#isDriving || this.#isPumping) return;
    this.#isPumping = true;
    systemScheduler.next(() => {
      this.#isPumping = false;
      if (!this.#isDriving) void this.#drive(() => this.#stepImmediate());
    });
  }
}

/** Up to which position its log is compacted. */
function floorOf({ disk }: SimulatedNode): number {
  const [kept] = disk.read("SELECT value FROM tendril_meta WHERE key = 'floor'");
  if (kept === undefined) return 0;
  const { buffer, byteOffset } = kept[0] as Uint8Array;
  return Number(new DataView(buffer, byteOffset).getBigUint64(0));
}

/** Whether it and all between it and the authority are up, and the ways are free. */
function reaches(node: SimulatedNode, network: Network): boolean {
  for (let at = node; at.upstream !== null; at = at.upstream) {
    if (at.node === null || !network.isFree(at.name, at.upstream.name)) return false;
    if (at.upstream.node === null) return false;
  }
  return true;
}

/** Which nodes are as they were when they were last looked at. */
class Seen {
  readonly #signatures = new Map<string, string>();

  isChanged(node: SimulatedNode): boolean {
    let signature = String(node.disk.commits);
    for (const { live, isReady } of node.watched) signature += isReady ? live.status[0] : '-';
    if (this.#signatures.get(node.name) === signature) return false;
    this.#signatures.set(node.name, signature);
    return true;
  }
}

/** Resolves when all microtasks are done. */
function turnOver(): Promise<void> {
  return new Promise((resolve) => systemScheduler.next(resolve));
}
