/**
 * What a durable follower counts as told to its upstream is there: beside its cursor and beside the one in its file, wherever
 * the upstream is restored to, whatever is refused, absent, cut off or not committed. In the end the upstream lacks nothing.
 *
 * The `Offering` is the real one; around it is a model of what log-follower.ts and taking.ts do with it, in many small worlds.
 */
import { expect, test } from 'vitest';
import { type FirstUploadParts, Offering, type Told } from '../../engine/logs/offering.ts';
import type { Request, SaidOf } from '../../engine/stream.ts';
import { TendrilError } from '../../index.ts';
import type { Position, TransactionId } from '../../storage/index.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { taken } from './logs-world.ts';

/** MAX_UNKEPT_POSITIONS of this model. */
const UNKEPT = 5;
const REFUSED = new TendrilError({ code: 'conflict', problem: 'It is refused.', remedy: 'Offer it later.' });

interface Place {
  readonly epoch: number;
  readonly position: Position;
}

/** What is counted as told, as long as the upstream has its log up to the cursor. */
interface Claim {
  readonly cursor: Place;
  readonly told: Told;
}

/** One of the upstream's log. - `isOwn`: this very session offered it. */
interface Logged {
  readonly transaction: number;
  readonly position: Position;
  readonly isOwn: boolean;
}

interface Session {
  readonly epoch: number;
  readonly resumes: boolean;
  /** How much of its log the upstream has told. */
  told: number;
  /** Where in that log stands what was offered. */
  readonly places: Set<number>;
  readonly offers: Position[];
  readonly answers: SaidOf<'taken'>[];
}

function at(position: number): Position {
  return position as Position;
}

class Upstream {
  log: number[] = [];
  readonly refuses = new Set<number>();
  /** Each with how long the log was when it began. */
  #epochs = [{ epoch: 0, after: 0 }];
  /** As both were whenever it was restored. */
  readonly #images: { readonly log: readonly number[]; readonly epochs: { epoch: number; after: number }[] }[] = [];

  covers({ epoch, position }: Place): boolean {
    const index = this.#epochs.findIndex((one) => one.epoch === epoch);
    return index >= 0 && position <= (this.#epochs[index + 1]?.after ?? this.log.length);
  }

  welcome(cursor: Place | null): Session {
    const resumes = cursor !== null && this.covers(cursor);
    const { epoch } = this.#epochs.at(-1)!;
    return { epoch, resumes, told: resumes ? cursor.position : 0, places: new Set(), offers: [], answers: [] };
  }

  /** What is offered next, of the follower's log. */
  receive({ offers, places, answers }: Session, log: readonly number[]): void {
    const position = offers.shift();
    if (position === undefined) return;
    const transaction = log[position - 1]!;
    const isRefused = this.refuses.has(transaction);
    if (!isRefused && !this.log.includes(transaction)) places.add(this.log.push(transaction));
    answers.push(taken(position, isRefused ? REFUSED : null, this.log.indexOf(transaction) + 1));
  }

  tell(session: Session, count: number): readonly Logged[] {
    return this.log.slice(session.told, session.told + count).map((transaction) => {
      session.told += 1;
      return { transaction, position: at(session.told), isOwn: session.places.has(session.told) };
    });
  }

  /** To a place of its log, or of one that it had, not before `least`. Where that is the end, it is only opened again. */
  restore(random: Random, least: number, isEarlier: boolean): void {
    this.#images.push({ log: this.log, epochs: this.#epochs });
    const { log, epochs } = isEarlier ? random.pick(this.#images) : this.#images.at(-1)!;
    const length = Math.max(random.integer(log.length + 1), Math.min(least, log.length));
    this.log = log.slice(0, length);
    this.#epochs = [...epochs.filter(({ after }) => after <= length), { epoch: this.#images.length, after: length }];
  }
}

class Follower {
  readonly log: number[] = [];
  cursor: Place | null = null;
  session: Session | null = null;
  /** What it cannot take. */
  readonly unknown = new Set<number>();
  readonly #random: Random;
  #file: Claim | null = null;
  /** What the file says of the cursor. */
  #kept = 0;
  /** Of the last session that began. */
  #epoch: number | null = null;
  /** Where it stands in the upstream's log. */
  readonly #absent = new Map<number, Position>();
  #offering = this.#open();

  constructor(random: Random) {
    this.#random = random;
  }

  #open(): Offering {
    const transactionsSince = (after: Position, limit: number) =>
      this.log.slice(after, after + limit).map((transaction, index) => {
        return { position: at(after + 1 + index), transaction: `${transaction}` as TransactionId, operations: [] };
      });
    const scheduler = { soon: (task: () => void) => task() };
    const core = { log: { transactionsSince, floor: () => 0 }, scheduler } as unknown as FirstUploadParts['core'];
    const send = (request: Request) => {
      if (request.kind === 'offer') this.session!.offers.push(request.position);
    };
    const told = this.#file?.told ?? { offered: at(0), refused: [] };
    return new Offering({ core, position: () => at(this.log.length), send }, told);
  }

  /** - `end`: of the upstream's log. */
  claims(end: Position): readonly Claim[] {
    const file = this.#file === null ? [] : [this.#file];
    if (this.session === null) return file;
    const last = { epoch: this.session.epoch, position: end };
    return [...file, this.#claim(this.cursor ?? last), this.#claim(last)];
  }

  write(transaction: number): void {
    this.log.push(transaction);
    this.#offering.go();
  }

  /** As `LogFollower` does. */
  begin(session: Session): void {
    const { epoch, resumes } = session;
    this.session = session;
    this.#absent.clear();
    if (this.cursor?.epoch !== epoch) this.#kept = 0;
    if (this.cursor !== null && this.cursor.epoch === this.#epoch) this.#offering.vouch(this.cursor.position);
    this.#offering.begin({ isSame: epoch === this.#epoch, resumes });
    this.#epoch = epoch;
  }

  end(): void {
    this.session = null;
    this.#offering.end();
  }

  /** Killed, or closed: only then the cursor is kept. */
  restart(isClosed: boolean): void {
    this.end();
    if (isClosed && this.cursor !== null && this.cursor.epoch === this.#epoch) this.#file = this.#claim(this.cursor);
    this.cursor = this.#file?.cursor ?? null;
    this.#epoch = this.cursor?.epoch ?? null;
    this.#kept = this.cursor?.position ?? 0;
    this.#offering = this.#open();
  }

  hearAnswer(): void {
    const answer = this.session?.answers.shift();
    if (answer !== undefined) this.#offering.taken(answer);
  }

  /** As `Taking`, in one commit or two. The last may fail, which ends the session; that may end meanwhile anyway. */
  hear(logged: readonly Logged[]): void {
    if (logged.length === 0) return;
    const last = logged.at(-1)!.position;
    const { epoch } = this.session!;
    if (this.#absent.size === 0 && logged.every(({ isOwn }) => isOwn) && last - this.#kept < UNKEPT) {
      this.cursor = { epoch, position: last };
      this.#offering.vouch(last);
      return;
    }
    const fails = this.#random.chance(0.1);
    const isOneCommit = this.#random.chance(0.5);
    if (fails || this.#random.chance(0.1)) this.end();
    if (fails && isOneCommit) return;
    const here = logged.filter(({ transaction, isOwn }) => !isOwn && this.log.includes(transaction));
    const applied = logged.filter((one) => !this.log.includes(one.transaction) && !this.unknown.has(one.transaction));
    this.log.push(...applied.map(({ transaction }) => transaction));
    if (!isOneCommit) this.#committed(applied, last);
    if (fails) return;
    const cursor = { epoch, position: this.#below(logged) };
    this.#file = this.#claim(cursor);
    if (isOneCommit) this.#committed(applied, last);
    this.cursor = cursor;
    this.#kept = cursor.position;
    this.#offering.areThere(this.#positionsOf(here), last);
    this.#offering.vouch(cursor.position);
  }

  #committed(applied: readonly Logged[], last: Position): void {
    this.#offering.areThere(this.#positionsOf(applied), last);
    this.#offering.go();
    if (this.#random.chance(0.2)) this.hearAnswer();
  }

  #positionsOf(logged: readonly Logged[]): readonly Position[] {
    return logged.map(({ transaction }) => at(this.log.indexOf(transaction) + 1));
  }

  /** The last position before what is absent. */
  #below(logged: readonly Logged[]): Position {
    for (const { transaction, position } of logged) this.#absent.set(transaction, position);
    for (const transaction of this.log) this.#absent.delete(transaction);
    return at(Math.min(logged.at(-1)!.position, ...[...this.#absent.values()].map((position) => position - 1)));
  }

  #claim(cursor: Place): Claim {
    return { cursor, told: this.#offering.toldAt(cursor.position) };
  }
}

interface World {
  readonly random: Random;
  readonly upstream: Upstream;
  readonly follower: Follower;
}

/** Here or there: a new one, or one that came from the other by another way. */
function write({ random, upstream, follower }: World): void {
  const isHere = random.chance(0.7);
  const [to, from] = isHere ? [follower.log, upstream.log] : [upstream.log, follower.log];
  const lacking = from.filter((transaction) => !to.includes(transaction) && !follower.unknown.has(transaction));
  const isNew = lacking.length === 0 || random.chance(0.8);
  const transaction = isNew ? random.integer(2 ** 31) : random.pick(lacking);
  if (isNew && random.chance(0.1)) (isHere ? upstream.refuses : follower.unknown).add(transaction);
  if (isHere) follower.write(transaction);
  else upstream.log.push(transaction);
}

function exchange({ random, upstream, follower }: World, session: Session): void {
  const [count, chance] = [1 + random.integer(4), random.next()];
  if (chance < 0.3) for (let left = count; left > 0; left -= 1) upstream.receive(session, follower.log);
  else if (chance < 0.6) for (let left = count; left > 0; left -= 1) follower.hearAnswer();
  else follower.hear(upstream.tell(session, count));
}

function step(world: World): void {
  const { random, upstream, follower } = world;
  const chance = random.next();
  if (chance < 0.3) write(world);
  else if (follower.session !== null && chance < 0.88) exchange(world, follower.session);
  else if (follower.session === null && chance < 0.6) follower.begin(upstream.welcome(follower.cursor));
  else if (chance < 0.92) follower.end();
  else if (chance < 0.96) {
    follower.end();
    upstream.restore(random, random.chance(0.7) ? (follower.cursor?.position ?? 0) : 0, random.chance(0.4));
  } else if (chance < 0.985) follower.restart(random.chance(0.5));
  else random.pick([follower.unknown, upstream.refuses]).clear();
}

/** What the follower counts as told, and is not there. */
function unfounded({ upstream, follower }: World): readonly Claim[] {
  return follower.claims(at(upstream.log.length)).filter(({ cursor, told }) => {
    if (!upstream.covers(cursor)) return false;
    const there = new Set(upstream.log.slice(0, cursor.position));
    const isTold = (position: number) => position <= told.offered && !told.refused.includes(at(position));
    return follower.log.some((transaction, index) => isTold(index + 1) && !there.has(transaction));
  });
}

/** Nothing is refused any more, and a new session lasts. Returns what the upstream lacks then. */
function settle({ upstream, follower }: World): readonly number[] {
  upstream.refuses.clear();
  follower.end();
  follower.begin(upstream.welcome(follower.cursor));
  while (follower.session!.offers.length > 0) {
    upstream.receive(follower.session!, follower.log);
    follower.hearAnswer();
  }
  return follower.log.filter((transaction) => !upstream.log.includes(transaction));
}

const COUNT = runs(20_000);
const FIRST = seedFor('vouching model');

test(`what a follower counts as told is there, in ${COUNT} worlds`, () => {
  for (let seed = FIRST; seed < FIRST + COUNT; seed += 1) {
    const random = createRandom(seed);
    const world = { random, upstream: new Upstream(), follower: new Follower(random) };
    const again = `in the world of TENDRIL_SEED=${seed}`;
    for (let left = 20 + random.integer(80); left > 0; left -= 1) {
      step(world);
      const claims = unfounded(world);
      if (claims.length > 0) expect(claims, `${again}, ${left} steps before its end`).toEqual([]);
    }
    expect(settle(world), `${again}, what the upstream lacks in the end`).toEqual([]);
  }
});
