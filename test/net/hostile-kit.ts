/** What hostile sessions are made of: messages, operations and frames, and what there is to do harm to. */
import { systemClock } from '../../engine/ports/clock.ts';
import { createSystemRandom } from '../../engine/ports/random.ts';
import { createMint, type Mint } from '../../engine/write/mint.ts';
import { createCodec } from '../../net/codec.ts';
import { createFrameWriter, MAX_FRAME_BYTES } from '../../net/frames.ts';
import { type Hello, type Message, PROTOCOL_VERSION } from '../../net/messages.ts';
import type { SqlInput } from '../../query/index.ts';
import {
  decodeOperation,
  type Edit,
  type EntityId,
  encodeOperation,
  type NodeId,
  type Operation,
  type OperationId,
  type Position,
  type TransactionId,
} from '../../storage/index.ts';
import type { Random } from '../support/random.ts';
import { type HostileWorld, Prey, Vault } from './hostile-world.ts';

export type Frames = readonly Uint8Array[];

/** What there is to do harm to. */
export interface Kit {
  readonly mint: Mint;
  readonly node: NodeId;
  /** Operations that are in the log: of mallory's, and of the vault. */
  readonly own: Operation;
  readonly foreign: Operation;
  /** 60,000 ids to hold, in one message. */
  readonly crowd: readonly EntityId[];
}

export interface Family {
  readonly make: (kit: Kit, random: Random) => Frames;
  /** One of these is heard: `kind code` of an error, or the kind of an answer. */
  readonly hears: readonly string[];
  /** Frames that one visit counts for: one holds thousands of messages, or costs as much. */
  readonly weight?: number;
}

export const codec = createCodec();
export const write = createFrameWriter();
export const CREATE: Edit = { kind: 'create', property: '' };
export const BROKEN = ['bye protocol-violation'];
export const PART_FRAME = new Uint8Array(MAX_FRAME_BYTES).fill(1);
export const TOO_LARGE_FRAME = new Uint8Array(MAX_FRAME_BYTES + 1);

export async function makeKit(world: HostileWorld): Promise<Kit> {
  const mint = createMint(systemClock, createSystemRandom());
  const logged = world.parts.core.log.since(0 as Position, Number.MAX_SAFE_INTEGER);
  const operations = logged.map(({ bytes }) => decodeOperation(bytes));
  const own = operations.find(({ author }) => author === 'mallory')!;
  const foreign = operations.find(({ collection }) => collection === Vault.name)!;
  const crowd = Array.from({ length: 60_000 }, () => mint.next() as EntityId);
  return { mint, node: mint.next() as NodeId, own, foreign, crowd };
}

/* ------------------------------------------------------------------ what sessions are made of */

export function frames(...messages: readonly Message[]): Frames {
  return write(messages.map(codec.encodeMessage));
}

export function hello({ node }: Kit, changes: Partial<Hello> = {}): Hello {
  const proof = { author: 'mallory', system: null, credential: 'mallory', cursor: null };
  return { kind: 'hello', protocol: PROTOCOL_VERSION, node, ...proof, ...changes };
}

export function greeted(kit: Kit, ...messages: readonly Message[]): Frames {
  return [...frames(hello(kit)), ...(messages.length === 0 ? [] : frames(...messages))];
}

/** A frame of any bytes, of a session that was let in or was not. */
export function raw(kit: Kit, random: Random, content: Uint8Array): Frames {
  const frame = new Uint8Array(Buffer.concat([Buffer.of(0), content]));
  return random.chance(0.5) ? [frame] : [...greeted(kit), frame];
}

export function operation({ mint }: Kit, changes: Partial<Operation> = {}): Operation {
  const precursors = changes.precursors ?? [];
  return {
    transaction: mint.next() as TransactionId,
    collection: Prey.name,
    entity: mint.next() as EntityId,
    edits: precursors.length === 0 ? [CREATE, { kind: 'set', property: 'name', value: 'imp' }] : [],
    author: 'mallory',
    salt: new Uint8Array(8),
    id: mint.next() as OperationId,
    ...changes,
    precursors,
  };
}

export function upload(...operations: readonly Operation[]): Message {
  return uploadOf(operations[0]!.transaction, operations.map(encodeOperation));
}

export function uploadOf(transaction: TransactionId, operations: readonly Uint8Array[]): Message {
  return { kind: 'upload', transaction, attempt: 1, operations };
}

export function subscribe(
  subscription: number,
  text: string,
  parameters: readonly SqlInput[] = [],
): Extract<Message, { kind: 'subscribe' }> {
  return { kind: 'subscribe', subscription, collection: Prey.name, text, parameters, had: null };
}

export function ask(request: number, text: string, parameters: readonly SqlInput[] = []): Message {
  return { kind: 'ask', request, collection: null, text, parameters };
}

/** The bytes of an operation with other bytes at `at`. */
export function patched(bytes: Uint8Array, at: number, other: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(other, at);
  return copy;
}
