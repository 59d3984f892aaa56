/** What every link must do (net/link.ts), tried on any pair of ends. Run it on a connector of your own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../engine/ports/scheduler.ts';
import { MAX_FRAME_BYTES } from '../../net/frames.ts';
import type { Connector, Link, LinkEvents } from '../../net/link.ts';
import { Told } from './told.ts';

/** Where links come from, while a suite runs. */
export interface LinkWorld {
  /** A fresh link. `far` may be there only after `near` was connected: a server accepts what was dialled. */
  readonly pair: () => { readonly near: Connector; readonly far: Promise<Connector> };
  /** Dials where nobody is; null where there is no such place. */
  readonly nowhere: (() => Connector) | null;
  readonly close: () => Promise<void>;
}

/** One end, and all that it was told. */
export class RecordedEnd extends Told {
  readonly frames: Uint8Array[] = [];
  readonly log: string[] = [];
  drained = 0;
  /** Callbacks that ran inside a call to the link. */
  readonly reentered: string[] = [];
  #link: Link | null = null;
  #isInside = false;

  connect(connector: Connector): this {
    this.#link = this.#inside(() => connector.connect(this.#events(), systemScheduler));
    return this;
  }

  send(frame: Uint8Array): void {
    this.#inside(() => this.#link!.send(frame));
  }

  queued(): number {
    return this.#inside(() => this.#link!.queued());
  }

  /** Not every link can. */
  get canPause(): boolean {
    return this.#link!.pause !== undefined && this.#link!.resume !== undefined;
  }

  pause(): void {
    this.#inside(() => this.#link!.pause!());
  }

  resume(): void {
    this.#inside(() => this.#link!.resume!());
  }

  close(reason = 'done'): void {
    this.#inside(() => this.#link!.close(reason));
  }

  #inside<Result>(call: () => Result): Result {
    this.#isInside = true;
    try {
      return call();
    } finally {
      this.#isInside = false;
    }
  }

  #events(): LinkEvents {
    const told = (what: string) => {
      if (this.#isInside) this.reentered.push(what);
      if (what !== 'drained') this.log.push(what);
      this.told();
    };
    return {
      opened: () => told('opened'),
      frame: (bytes) => {
        this.frames.push(bytes);
        told('frame');
      },
      drained: () => {
        this.drained += 1;
        told('drained');
      },
      closed: () => told('closed'),
    };
  }
}

function patterned(length: number, seed = length): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 255);
}

const SIZES = [1, 2, 125, 126, 127, 65_535, 65_536, 65_537, 300_000, MAX_FRAME_BYTES];

export function describeLink(name: string, begin: () => Promise<LinkWorld>): void {
  describe(`a link over ${name}`, () => {
    let world: LinkWorld;
    beforeAll(async () => {
      world = await begin();
    });
    afterAll(() => world.close());

    const open = async () => {
      const pair = world.pair();
      const near = new RecordedEnd().connect(pair.near);
      const far = new RecordedEnd().connect(await pair.far);
      await Promise.all([near.until(() => near.log.length > 0), far.until(() => far.log.length > 0)]);
      return { near, far };
    };
    const closeBoth = async ({ near, far }: { near: RecordedEnd; far: RecordedEnd }) => {
      near.close();
      const isOver = (end: RecordedEnd) => () => end.log.at(-1) === 'closed';
      await Promise.all([near.until(isOver(near)), far.until(isOver(far))]);
      expect([...near.reentered, ...far.reentered]).toEqual([]);
    };

    test('opens once at both ends, before anything else, and closes once, after everything', async () => {
      const ends = await open();
      ends.near.send(patterned(10));
      await ends.far.until(() => ends.far.frames.length === 1);
      await closeBoth(ends);
      expect(ends.near.log).toEqual(['opened', 'closed']);
      expect(ends.far.log).toEqual(['opened', 'frame', 'closed']);
    });

    test('carries frames of every size, whole, unchanged and in order, both ways at once', async () => {
      const ends = await open();
      for (const size of SIZES) {
        ends.near.send(patterned(size, 1));
        ends.far.send(patterned(size, 2));
      }
      await ends.far.until(() => ends.far.frames.length === SIZES.length);
      await ends.near.until(() => ends.near.frames.length === SIZES.length);
      SIZES.forEach((size, index) => {
        expect(Buffer.compare(ends.far.frames[index]!, patterned(size, 1))).toBe(0);
        expect(Buffer.compare(ends.near.frames[index]!, patterned(size, 2))).toBe(0);
      });
      await closeBoth(ends);
    });

    test('carries many small frames of one turn in order', async () => {
      const ends = await open();
      for (let count = 0; count < 2_000; count += 1) ends.near.send(Uint8Array.of(count & 255, count >> 8));
      await ends.far.until(() => ends.far.frames.length === 2_000);
      expect(ends.far.frames.map(([low, high]) => low! + high! * 256)).toEqual(
        Array.from({ length: 2_000 }, (_, n) => n),
      );
      await closeBoth(ends);
    });

    test('sends of a view its own bytes alone, and leaves them as they were: other links may be sending them', async () => {
      const buffer = patterned(1_000);
      const view = buffer.subarray(100, 300);
      const [one, two] = [await open(), await open()];
      one.near.send(view);
      two.near.send(view);
      for (const { far } of [one, two]) {
        await far.until(() => far.frames.length === 1);
        expect(Buffer.compare(far.frames[0]!, patterned(1_000).subarray(100, 300))).toBe(0);
        expect(far.frames[0]!).toBeInstanceOf(Uint8Array);
        expect(Buffer.isBuffer(far.frames[0]!)).toBe(false);
      }
      expect(Buffer.compare(buffer, patterned(1_000))).toBe(0);
      await closeBoth(one);
      await closeBoth(two);
    });

    test('says when what was queued has left', async () => {
      const ends = await open();
      expect(ends.near.queued()).toBe(0);
      for (let count = 0; count < 8; count += 1) ends.near.send(patterned(MAX_FRAME_BYTES));
      expect(ends.near.queued()).toBeGreaterThan(0);
      await ends.near.until(() => ends.near.drained > 0 && ends.near.queued() === 0);
      await ends.far.until(() => ends.far.frames.length === 8);
      await closeBoth(ends);
    });

    test('paused, lets the other side know that it reads no more; resumed, it goes on where it was', async ({
      skip,
    }) => {
      const ends = await open();
      if (!ends.far.canPause) skip();
      ends.near.send(patterned(10));
      await ends.far.until(() => ends.far.frames.length === 1);
      ends.far.pause();
      ends.far.pause();
      const count = 48;
      for (let sent = 0; sent < count; sent += 1) ends.near.send(new Uint8Array(MAX_FRAME_BYTES).fill(sent));
      // What the system takes of it, it has taken when nothing more leaves.
      const moved = () => ends.near.queued() - ends.far.frames.length;
      for (let before = Number.NaN; before !== moved(); ) {
        before = moved();
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      expect(ends.near.queued()).toBeGreaterThan((count / 2) * MAX_FRAME_BYTES);
      ends.far.send(patterned(20));
      await ends.near.until(() => ends.near.frames.length === 1);
      ends.far.resume();
      ends.far.resume();
      await ends.far.until(() => ends.far.frames.length === count + 1);
      for (let sent = 0; sent < count; sent += 1) {
        expect(ends.far.frames[sent + 1]!.subarray(-64)).toEqual(new Uint8Array(64).fill(sent));
      }
      await ends.near.until(() => ends.near.queued() === 0);
      await closeBoth(ends);
    });

    test('closed while it is paused, by either side, it is closed at both', async ({ skip }) => {
      for (const closing of ['near', 'far'] as const) {
        const ends = await open();
        if (!ends.far.canPause) skip();
        ends.far.pause();
        ends.near.send(patterned(1_000));
        await new Promise((resolve) => setTimeout(resolve, 20));
        ends[closing].close();
        // What was on its way is looked at before the end is: where nobody does, the session's own limit ends it.
        if (closing === 'near') ends.far.resume();
        await ends.far.until(() => ends.far.log.at(-1) === 'closed');
        await ends.near.until(() => ends.near.log.at(-1) === 'closed');
        expect([...ends.near.reentered, ...ends.far.reentered]).toEqual([]);
      }
    });

    test('delivers what had left before it was closed', async () => {
      const ends = await open();
      ends.far.send(patterned(200_000));
      await ends.far.until(() => ends.far.drained > 0 && ends.far.queued() === 0);
      ends.far.close('enough');
      await ends.near.until(() => ends.near.log.at(-1) === 'closed');
      expect(ends.near.log).toEqual(['opened', 'frame', 'closed']);
    });

    test('closed by both at once, and again, it is closed once; nothing can be sent any more', async () => {
      const ends = await open();
      ends.near.close();
      ends.far.close();
      ends.near.close();
      await ends.near.until(() => ends.near.log.at(-1) === 'closed');
      await ends.far.until(() => ends.far.log.at(-1) === 'closed');
      ends.near.send(patterned(10));
      ends.near.close();
      ends.far.close();
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect([ends.near.log, ends.far.log]).toEqual([
        ['opened', 'closed'],
        ['opened', 'closed'],
      ]);
      expect([...ends.near.reentered, ...ends.far.reentered]).toEqual([]);
    });

    test('closed before it is open, it never opens', async () => {
      const near = new RecordedEnd().connect(world.pair().near);
      near.close();
      await near.until(() => near.log.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(near.log).toEqual(['closed']);
      expect(near.reentered).toEqual([]);
    });

    test('that leads nowhere is closed without having been open', async ({ skip }) => {
      if (world.nowhere === null) skip();
      const near = new RecordedEnd().connect(world.nowhere!());
      await near.until(() => near.log.length > 0);
      expect(near.log).toEqual(['closed']);
      expect(near.reentered).toEqual([]);
    });
  });
}
