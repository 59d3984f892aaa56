/** Clients that go from one server to another, whose logs are not the same, and the files of those servers. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import { capacityOf } from '../../engine/live/window.ts';
import type { Welcome } from '../../engine/stream.ts';
import { MIN_COMPARED_ROWS } from '../../engine/upstream/limits.ts';
import { type LiveQuery, Node, type NodeOptions, type RowOf } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { makeFolder } from '../support/every-driver.ts';
import { createForgetfulDisk } from '../support/forgetful-disk.ts';
import { createTestClock, createTestRandom, createTestScheduler, type TestClock } from '../support/ports.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { COLLECTIONS, Note } from './world.ts';

const ROWS = 300;
const LIMIT = 3;
/** Of its live queries; `stars` runs from 0 to 299. */
const TEXTS = ['stars BETWEEN 100 AND 199', 'ORDER BY stars LIMIT 3', 'stars >= 150 ORDER BY stars DESC LIMIT 3'];
/** Beyond all of them. */
export const HELD = [50, 51, 52];

const folder = makeFolder();
afterAll(folder.remove);
let files = 0;
let seeds = 0;
let clock: TestClock;
const opened = new Set<Node>();
beforeEach(() => {
  clock = createTestClock();
});
afterEach(async () => {
  for (const node of [...opened].reverse()) await close(node);
});

async function open(options: Partial<NodeOptions>): Promise<Node> {
  seeds += 1;
  const ports = { clock, random: createTestRandom(seeds), scheduler: createTestScheduler() };
  const node = await Node.open({ collections: COLLECTIONS, ports, ...options });
  opened.add(node);
  return node;
}

export async function close(node: Node): Promise<void> {
  opened.delete(node);
  await node.close();
}

export const newFile = () => join(folder.path, `${++files}.db`);
export const openServer = (path: string, options: Partial<NodeOptions> = {}) =>
  open({ storage: sqliteFile(path), onError: () => undefined, ...options });

/** A client of one server after the other. */
export class Client {
  readonly errors: unknown[] = [];
  #disk = createForgetfulDisk();
  #server: Node;
  #welcome: Welcome | null = null;
  upstream = this.#newUpstream();
  node!: Node;
  lives: readonly LiveQuery<RowOf<typeof Note>>[] = [];

  private constructor(server: Node) {
    this.#server = server;
  }

  static async of(server: Node): Promise<Client> {
    const client = new Client(server);
    await client.#open();
    return client;
  }

  async leave(): Promise<void> {
    this.upstream.cut();
    this.upstream.isReachable = false;
    await quiet(this.upstream);
  }

  /** Another process takes its file over. */
  async restart(): Promise<void> {
    await this.leave();
    this.#disk = createForgetfulDisk(this.#disk.crashImage());
    this.upstream = this.#newUpstream();
    this.upstream.isReachable = false;
    await this.#open();
  }

  async goTo(server: Node): Promise<void> {
    this.#server = server;
    this.upstream.cut();
    this.upstream.holdSaid = false;
    this.upstream.isReachable = true;
    this.upstream.said.length = 0;
    await this.node.reconnect();
    await quiet(this.upstream);
  }

  get report() {
    return this.node.report().upstream!;
  }

  /** What it shows and holds is what the server has. */
  async expectEqual(): Promise<void> {
    await quiet(this.upstream);
    for (const [at, live] of this.lives.entries()) {
      expect([live.status, String(live.error)], TEXTS[at]).toEqual(['complete', 'null']);
      expect(live.rows, TEXTS[at]).toEqual(await this.#server.query(Note, TEXTS[at]!));
    }
    const held = await this.node.query(Note, '', [], { from: 'local' });
    for (const row of held) expect(row, 'held').toEqual(await this.#server.get(Note, row.id));
    expect(this.errors).toEqual([]);
  }

  /** And nothing waits; it stands where the server does, and goes on from there. */
  async expectSettled(began: 'resumed' | 'anew'): Promise<void> {
    await this.expectEqual();
    const { outbox, cursor, ...report } = this.report;
    expect([report.state, report.began, report.error, report.quarantined.rows]).toEqual(['connected', began, null, []]);
    expect(outbox.transactions).toBe(0);
    expect(cursor!.epoch).toBe(this.#welcome!.epoch);
    expect(cursor!.position).toBeLessThanOrEqual(this.#server.report().position);
    await this.#expectNews();
    await this.leave();
    await this.#server.transact((tx) => tx.create(Note, { title: 'while it was away', stars: 160 }));
    await this.goTo(this.#server);
    await this.expectEqual();
    expect(this.report.began).toBe('resumed');
  }

  /** Positions that were those of another log keep nothing out. */
  async #expectNews(): Promise<void> {
    const held = await this.node.query(Note, '', [], { from: 'local' });
    await this.#server.transact((tx) => {
      for (const { id } of held) tx.update(Note, id, { title: `news ${++files}` });
    });
    await this.expectEqual();
  }

  async #open(): Promise<void> {
    this.node = await open({
      storage: diskStorage(this.#disk, 'wal'),
      upstream: this.upstream,
      onError: (error) => this.errors.push(error),
    });
    this.lives = TEXTS.map((text) => this.node.live(Note, text));
    await quiet(this.upstream);
  }

  #newUpstream(): GatedUpstream {
    const upstream = new GatedUpstream(() => this.#server);
    upstream.welcome = (welcome) => {
      this.#welcome = welcome;
      return welcome;
    };
    return upstream;
  }
}

export interface World {
  /** Of all. */
  readonly clock: TestClock;
  readonly path: string;
  readonly server: Node;
  /** Of its rows, by their stars. */
  readonly ids: readonly string[];
  readonly client: Client;
}

export async function createWorld(): Promise<World> {
  expect(ROWS / 3).toBeGreaterThan(MIN_COMPARED_ROWS);
  expect(capacityOf(LIMIT)).toBeLessThan(HELD[0]!);
  const path = newFile();
  const server = await openServer(path);
  const ids = await server.transact((tx) =>
    Array.from({ length: ROWS }, (_, stars) => tx.create(Note, { title: `${stars}`, stars })),
  );
  const client = await Client.of(server);
  for (const at of HELD) await client.node.get(Note, ids[at]!);
  await client.expectEqual();
  return { clock, path, server, ids, client };
}
