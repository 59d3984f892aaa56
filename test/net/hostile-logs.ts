/** Hostile sessions that speak of logs, as a durable follower does: to hear what they may, and to tell what they may not. */
import { MAX_WAITING_UPLOADS } from '../../engine/feed/limits.ts';
import { createSystemRandom } from '../../engine/ports/random.ts';
import { createMint } from '../../engine/write/mint.ts';
import type { Message } from '../../net/messages.ts';
import {
  encodeOperation,
  encodeSkeleton,
  type Operation,
  type OperationId,
  type Position,
} from '../../storage/index.ts';
import { BROKEN, type Family, greeted, operation } from './hostile-kit.ts';
import { Vault } from './hostile-world.ts';

const DAY_MS = 86_400_000;

function offer(position: number, operations: readonly Uint8Array[], floor = 0): Message {
  return { kind: 'offer', position: position as Position, floor: floor as Position, operations };
}

function skeletonOf({ edits: _, salt: __, ...rest }: Operation): Uint8Array {
  return encodeSkeleton({ ...rest, digest: new Uint8Array(16) });
}

export const FAMILIES: Readonly<Record<string, Family>> = {
  'logs asked for, and asked for': {
    make: (kit) => greeted(kit, { kind: 'log' }, { kind: 'log' }, { kind: 'log' }),
    hears: ['logged'],
    weight: 20,
  },
  'offers of what others wrote': {
    make: (kit, random) => {
      const theirs = operation(kit, { author: random.pick(['ana', kit.foreign.author]), collection: Vault.name });
      return greeted(kit, offer(1, [encodeOperation(theirs)]), offer(2, [skeletonOf(theirs)]));
    },
    hears: ['taken policy-denied'],
  },
  'offers of what is no transaction': {
    make: (kit, random) => {
      const [bytes, skeleton] = [encodeOperation(operation(kit)), skeletonOf(operation(kit))];
      const cut = random.pick([bytes, skeleton]);
      const broken = Uint8Array.from(skeleton);
      broken[1 + random.integer(broken.length - 1)]! ^= 1 << random.integer(8);
      return greeted(
        kit,
        offer(1, []),
        offer(2, [bytes, encodeOperation(operation(kit))]),
        offer(3, [cut.subarray(0, random.integer(cut.length))]),
        offer(4, [Uint8Array.of(...skeleton, 0)]),
        offer(5, [broken]),
      );
    },
    hears: ['taken invalid-operation'],
  },
  'offers from below a floor': {
    make: (kit, random) => {
      const own = operation(kit);
      return random.chance(0.5)
        ? greeted(kit, offer(1, [encodeOperation(own)], random.pick([1, Number.MAX_SAFE_INTEGER])))
        : greeted(kit, offer(1, [skeletonOf(own)]));
    },
    hears: ['taken policy-denied'],
  },
  'offers that go back': {
    make: (kit, random) => {
      const bytes = [encodeOperation(operation(kit))];
      return greeted(kit, offer(5, bytes), offer(random.pick([0, 1, 4, 5]), bytes));
    },
    hears: BROKEN,
  },
  'offers under the id of something else': {
    make: (kit, random) => {
      const { id, precursors } = random.pick([kit.own, kit.foreign]);
      return greeted(kit, offer(1, [encodeOperation(operation(kit, { id, precursors }))]));
    },
    hears: ['taken identity-clash'],
  },
  'offers from the future': {
    make: (kit, random) => {
      const ahead = createMint({ now: () => Date.now() + DAY_MS * (1 + random.integer(999)) }, createSystemRandom());
      return greeted(kit, offer(1, [encodeOperation(operation(kit, { id: ahead.next() as OperationId }))]));
    },
    hears: ['taken clock-drift'],
  },
  'offers built on what never was': {
    make: (kit) => {
      const orphan = operation(kit, {
        precursors: [kit.mint.next() as OperationId],
        id: kit.mint.next() as OperationId,
      });
      return greeted(kit, offer(1, [encodeOperation(orphan)]));
    },
    hears: ['taken invalid-operation'],
  },
  'offers in floods': {
    make: (kit) => {
      const again = [encodeOperation(kit.own)];
      return greeted(kit, ...Array.from({ length: MAX_WAITING_UPLOADS }, (_, at) => offer(at + 1, again)));
    },
    hears: ['taken', 'bye limit-exceeded'],
    weight: 100,
  },
};
