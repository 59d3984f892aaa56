/**
 * A durable node, or a relay before it, served to a well-meaning follower and to attackers, and what must hold of both
 * whatever those did. Attackers write as `mallory`, into `prey` alone: of `vault`, where the others write, the test knows
 * every row.
 */
import { expect } from 'vitest';
import { type DurableParts, openDurable } from '../../engine/open-durable.ts';
import { systemScheduler } from '../../engine/ports/scheduler.ts';
import { SWEEP_MS } from '../../engine/upstream/following/held-ids.ts';
import { LINGER_MS, MAX_FOLLOWED_SELECTIONS, MAX_HELD_IDS } from '../../engine/upstream/limits.ts';
import { collection, inProcess, integer, type LiveQuery, Node, type RowOf, text } from '../../index.ts';
import { createCodec } from '../../net/codec.ts';
import { createFrameReader, MAX_FRAME_BYTES } from '../../net/frames.ts';
import { MAX_TURN_BYTES } from '../../net/limits.ts';
import type { Connector, Link } from '../../net/link.ts';
import { memoryLink } from '../../net/links/memory.ts';
import { webSocket, webSocketConnector } from '../../net/links/web-socket.ts';
import type { Message } from '../../net/messages.ts';
import type { Authority } from '../../net/serve-session.ts';
import { type Server, serve } from '../../net/server.ts';
import { judgeFor, Serving } from '../../net/serving.ts';
import { over } from '../../net/upstream.ts';
import { decodeOperation, type EntityId, MAX_FOLLOWERS, type OperationId } from '../../storage/index.ts';
import { MAX_REFUSAL_BYTES, MAX_REFUSALS } from '../../storage/outcome.ts';
import { collectGarbage } from '../support/garbage.ts';
import { createTestScheduler, type TestScheduler } from '../support/ports.ts';

export const Vault = collection('vault', { name: text(), amount: integer() });
export const Prey = collection('prey', { name: text(), rank: integer().optional(), note: text().optional() });
export const COLLECTIONS = [Vault, Prey];
const ACTORS: readonly (string | null)[] = ['ana', 'mallory'];

/** What a node makes when it remembers a follower, or a refusal, for the first time. */
const REMEMBERED = ['tendril_follower', 'tendril_outcome_refused'];

/** Who is served. */
export type Served = 'durable node' | 'relay';
/** Turns until all that one turn brings is over: through a relay it goes to and fro. */
const TURNS: Readonly<Record<Served, number>> = { 'durable node': 3, relay: 16 };
/** Of each of them, in which the server says what it has to say: a comparison of buckets and a chunk. */
const PARTS = 2;

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whoever is at one end of a link and sends what it likes. Of what it hears it keeps the codes of the errors. */
export class Attacker {
  /** `kind code` of each message that carries an error or a reason. */
  readonly codes = new Set<string>();
  readonly kinds = new Set<string>();
  isClosed = false;
  readonly #link: Link;
  readonly #read = createFrameReader({ limit: () => MAX_FRAME_BYTES });
  static readonly #codec = createCodec();

  constructor(connector: Connector, frames: readonly Uint8Array[]) {
    this.#link = connector.connect(
      {
        opened: () => {
          for (const frame of frames) this.#link.send(frame);
        },
        frame: (bytes) => {
          const content = this.#read(bytes);
          for (const message of content === null ? [] : Attacker.#codec.decodeMessages(content)) this.#hear(message);
        },
        drained: () => {},
        closed: () => {
          this.isClosed = true;
        },
      },
      systemScheduler,
    );
  }

  close(): void {
    this.#link.close('done');
  }

  #hear(message: Message): void {
    this.kinds.add(message.kind);
    if ('error' in message && message.error !== null) this.codes.add(`${message.kind} ${message.error.code}`);
    if (message.kind === 'rebase') this.codes.add(`rebase ${message.reason}`);
  }
}

export class HostileWorld {
  readonly parts: DurableParts;
  /** Null where the durable node itself is served. */
  readonly relay: Node | null;
  readonly server: Server;
  /** The relay's delays: what nobody follows any more lingers until `lingerOut`. */
  readonly delays: TestScheduler;
  /** For those who come over memory links. */
  readonly serving: Serving;
  readonly ana: Node;
  readonly live: LiveQuery<RowOf<typeof Vault>>;
  /** All that is right to stand in the vault. */
  readonly vault = new Map<string, { readonly name: string; readonly amount: number }>();
  /** Transactions written to it. */
  writes = 0;
  readonly #errors: unknown[];
  readonly #judge;
  readonly #schema: string;

  static async open(served: Served = 'durable node'): Promise<HostileWorld> {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const parts = await openDurable({ collections: COLLECTIONS, onError });
    const durable: Authority = { role: 'durable', follow: (peer) => parts.feed.open(peer) };
    const delays = createTestScheduler();
    const relay = served === 'relay' ? await openRelay(durable, onError, delays) : null;
    const authority = relay ?? durable;
    const letIn = (credential: string | null) =>
      credential !== null && ACTORS.includes(credential) ? { actor: credential } : null;
    const server = await serve(authority, { authenticate: (_, credential) => letIn(credential), onError });
    const serving = new Serving(authority, { onError });
    const judge = judgeFor({ authenticate: letIn })((credential) => [credential] as const);
    const ana = await Node.open({
      collections: COLLECTIONS,
      upstream: webSocket(server.url, { credential: 'ana' }),
      author: 'ana',
      onError,
    });
    const live = ana.live(Vault);
    await live.ready;
    return new HostileWorld({ parts, relay, delays, server, serving, ana, live, errors, judge });
  }

  private constructor(made: {
    readonly parts: DurableParts;
    readonly relay: Node | null;
    readonly delays: TestScheduler;
    readonly server: Server;
    readonly serving: Serving;
    readonly ana: Node;
    readonly live: LiveQuery<RowOf<typeof Vault>>;
    readonly errors: unknown[];
    readonly judge: Parameters<Serving['begin']>[1];
  }) {
    this.parts = made.parts;
    this.relay = made.relay;
    this.delays = made.delays;
    this.server = made.server;
    this.serving = made.serving;
    this.ana = made.ana;
    this.live = made.live;
    this.#errors = made.errors;
    this.#judge = made.judge;
    this.#schema = this.#readSchema();
  }

  /** The far end of a memory link that is served here. */
  readonly dial = (): Connector => {
    const [here, there] = memoryLink();
    this.serving.begin(there, this.#judge);
    return here;
  };

  readonly dialSocket = (): Connector => webSocketConnector(this.server.url);

  /** A well-behaved node of mallory's, or ana's; what it sends is recorded. */
  async follower(actor: string, frames: Uint8Array[], role: Node['role'] = 'ephemeral'): Promise<Node> {
    const dialled: Connector = {
      name: 'recorded',
      connect: (events, scheduler) => {
        const link = this.dial().connect(events, scheduler);
        const send = (frame: Uint8Array) => {
          frames.push(frame);
          link.send(frame);
        };
        return { ...link, send };
      },
    };
    return Node.open({ collections: COLLECTIONS, role, upstream: over(dialled, { credential: actor }), author: actor });
  }

  /** Each sends its frames over a link of its own; resolves when all that this brings is over. */
  async attack(visits: readonly (readonly Uint8Array[])[], dial = this.dial): Promise<readonly Attacker[]> {
    const attackers = visits.map((frames) => new Attacker(dial(), frames));
    const isOverSockets = dial === this.dialSocket;
    if (isOverSockets) await new Promise((resolve) => setTimeout(resolve, 25));
    const sizes = visits.map((frames) => frames.reduce((sum, { length }) => sum + length, 0));
    // What the server has to say it says to one of them in a turn.
    const turns =
      TURNS[this.relay === null ? 'durable node' : 'relay'] +
      PARTS * visits.length +
      Math.ceil(Math.max(0, ...sizes) / MAX_TURN_BYTES);
    for (let at = 0; at < turns; at += 1) await turn();
    for (const attacker of attackers) attacker.close();
    // A socket that is not read any more closes in its own time.
    while (!isOverSockets && !attackers.every(({ isClosed }) => isClosed)) await turn();
    return attackers;
  }

  /** Both sides write to the vault, and each sees it; ana is answered. */
  async carryOn(amount: number): Promise<void> {
    const id = await this.ana.transact((tx) => tx.create(Vault, { name: 'ana', amount }), { until: 'settled' });
    this.vault.set(id, { name: 'ana', amount });
    const other = await this.parts.transactor.transact((tx) => tx.create(Vault, { name: 'node', amount }));
    this.vault.set(other, { name: 'node', amount });
    const [first] = this.vault.keys();
    await this.ana.transact((tx) => tx.update(Vault, first!, { amount }), { until: 'settled' });
    this.vault.set(first!, { name: this.vault.get(first!)!.name, amount });
    this.writes += 3;
    expect(await this.ana.sql('SELECT count(*) AS n FROM prey')).toHaveLength(1);
    while (this.live.rows.length < this.vault.size) await turn();
    this.checkVault();
  }

  /** What somebody who means well as ana does to the vault. */
  async writeAs(node: Node): Promise<void> {
    const row = { name: 'ana', amount: 5 };
    const id = await node.transact((tx) => tx.create(Vault, row), { until: 'settled' });
    await node.transact((tx) => tx.update(Vault, id, { amount: 6 }), { until: 'settled' });
    this.vault.set(id, { ...row, amount: 6 });
    this.writes += 2;
  }

  /**
   * What those who have gone had followed through the relay is given up: what is counted and measured then is not what
   * lingers on purpose. Twice LINGER_MS, as ids are looked at every SWEEP_MS only.
   */
  async lingerOut(): Promise<void> {
    for (let passed = 0; passed < 2 * LINGER_MS; passed += SWEEP_MS) {
      this.delays.pass(SWEEP_MS);
      for (let at = 0; at < TURNS.relay; at += 1) await turn();
    }
  }

  checkVault(): void {
    expect(this.live.status).toBe('complete');
    expect(this.live.rows.map(({ id, ...row }) => [id, row])).toEqual([...this.vault].sort(byId));
    expect(this.#errors).toEqual([]);
  }

  /** Nothing stands in the database but what is legal, and nothing of those who have gone is left. */
  async checkAll(): Promise<void> {
    const { core, feed } = this.parts;
    this.checkVault();
    while (this.server.report().sessions > 1) await turn();
    if (this.relay !== null) await this.#checkRelay(this.relay);
    expect(feed.report()).toMatchObject({ sessions: 1, hydrating: 0, waitingUploads: 0, openAsks: 0 });
    expect(feed.report().selections).toEqual({ distinct: 1, shared: 0 });
    expect(this.serving.report()).toMatchObject({ sessions: 0, queuedBytes: 0 });
    expect(core.driver.all('PRAGMA integrity_check', [])).toEqual([['ok']]);
    expect(this.#readSchema()).toBe(this.#schema);
    this.#checkRemembered();
    this.#checkLog();
    await this.#checkRows();
  }

  /** Nothing of those who have gone is on its way; what they followed lingers, within its limits, and then only ana's is left. */
  async #checkRelay(relay: Node): Promise<void> {
    const { followers, upstream } = relay.report();
    expect(followers).toMatchObject({ sessions: 1, hydrating: 0, waitingUploads: 0 });
    expect(upstream).toMatchObject({ state: 'connected', error: null, outbox: { transactions: 0 } });
    expect(upstream!.following.selections).toBeLessThanOrEqual(MAX_FOLLOWED_SELECTIONS);
    expect(upstream!.following.ids).toBeLessThanOrEqual(MAX_HELD_IDS);
    await this.lingerOut();
    const left = relay.report().upstream!;
    expect(left).toMatchObject({ state: 'connected', error: null });
    expect(left.following.selections).toBe(1);
    expect(left.following.ids).toBeLessThanOrEqual(this.ana.report().upstream!.following.ids);
  }

  /** What whoever greets, or is refused, leaves behind is bounded. */
  #checkRemembered(): void {
    const { driver, followers } = this.parts.core;
    expect(followers.since(0).length).toBeLessThanOrEqual(MAX_FOLLOWERS);
    const [[count, longest]] = driver.all(
      'SELECT count(*), coalesce(max(length(CAST(refusal AS BLOB))), 0) FROM tendril_outcome WHERE position IS NULL',
      [],
    ) as [[number, number]];
    expect(Number(count)).toBeLessThanOrEqual(MAX_REFUSALS);
    expect(Number(longest)).toBeLessThanOrEqual(MAX_REFUSAL_BYTES);
  }

  #checkLog(): void {
    const { core } = this.parts;
    const seen = new Map<OperationId, EntityId>();
    let ofVault = 0;
    for (const { bytes } of core.log.since(0 as never, Number.MAX_SAFE_INTEGER)) {
      const operation = decodeOperation(bytes);
      const { id, author, entity, precursors } = operation;
      const isOfVault = operation.collection === 'vault';
      expect(isOfVault ? [core.author, 'ana'] : [core.author, 'mallory']).toContain(author);
      expect(seen.has(id)).toBe(false);
      for (const precursor of precursors) expect(seen.get(precursor)).toBe(entity);
      seen.set(id, entity);
      ofVault += isOfVault ? 1 : 0;
    }
    expect(ofVault).toBe(this.writes);
  }

  /** The rows are what the log says, whoever reads it. */
  async #checkRows(): Promise<void> {
    const { core, reader } = this.parts;
    const fresh = await Node.open({ collections: COLLECTIONS });
    const operations = core.log.since(0 as never, Number.MAX_SAFE_INTEGER).map(({ bytes }) => bytes);
    expect((await fresh.ingest(operations)).refused).toEqual([]);
    for (const each of COLLECTIONS) {
      const entry = core.catalog.entryOf(each);
      expect(reader.rows(reader.select(entry, '', [])).map(entry.decode)).toEqual(await fresh.query(each));
    }
    await fresh.close();
  }

  #readSchema(): string {
    const schema = this.parts.core.driver.all('SELECT type, name, sql FROM sqlite_master ORDER BY name', []);
    return JSON.stringify(schema.filter(([, name]) => !REMEMBERED.includes(String(name))));
  }

  async close(): Promise<void> {
    this.live.close();
    await this.ana.close();
    await this.server.close();
    await this.serving.close();
    await this.relay?.close();
    this.parts.feed.close();
    this.parts.core.driver.close();
  }
}

async function openRelay(
  durable: Authority,
  onError: (error: unknown) => void,
  scheduler: TestScheduler,
): Promise<Node> {
  const upstream = inProcess(durable, { authenticate: () => ({ actor: 'relay', relays: true }), onError });
  const relay = await Node.open({ collections: COLLECTIONS, upstream, onError, ports: { scheduler } });
  await relay.reconnect();
  return relay;
}

function byId([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}

export async function heapBytes(): Promise<number> {
  await collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
