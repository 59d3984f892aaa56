/**
 * Codec: messages to bytes and back; the only file that knows msgpackr.
 *
 * Invariants
 *   - one message is one MessagePack list: the code of its kind, then its fields in the order of net/wire/message-field.ts.
 *     Lists and not msgpackr's records: a definition of a record may come inside any bytes, and a reader that takes
 *     records would take it;
 *   - what `decodeMessages` returns is of this version, whole and within every limit. Nothing else happens: it throws one
 *     `protocol-violation`, and neither direction keeps anything of a message but the bytes of what is shared;
 *   - a step or a chunk, which sessions share, is encoded once.
 */
import { Packr, RESET_BUFFER_MODE } from 'msgpackr/pack';
import { assert, TendrilError } from '../errors.ts';
import type { Message, MessageKind } from './messages.ts';
import type { Wire } from './wire/field.ts';
import { MAX_MESSAGE_BYTES, messageField } from './wire/message-field.ts';
import { WireLimit, WireProblem, WireReader } from './wire/wire-reader.ts';

/** Messages in one frame. */
export const MAX_FRAME_MESSAGES = 10_000;

/** Bytes of msgpackr's scratch space; one that had to grow beyond MAX_KEPT_SCRATCH_BYTES is given up. */
const SCRATCH_BYTES = 8 * 1_024;
const MAX_KEPT_SCRATCH_BYTES = 1_024 * 1_024;

export interface Codec {
  /**
   * The bytes of `message`: to be sent, never changed.
   * @throws {TendrilError} `limit-exceeded` where a field, or all of it, is larger than a peer would take;
   * `invalid-parameter` for a parameter that is no plain value.
   */
  readonly encodeMessage: (message: Message) => Uint8Array;
  /**
   * The messages of one frame, in order. Rows, items and operations are views of `bytes`; other bytes are copies.
   * @throws {TendrilError} `protocol-violation`: kind, field and offset in `facts`.
   */
  readonly decodeMessages: (bytes: Uint8Array) => readonly Message[];
  /** How often a message was encoded rather than found. */
  readonly encodings: () => number;
}

/** One codec serves all sessions of a node. */
export function createCodec(): Codec {
  const packr = new Packr({ useRecords: false });
  const shared = new WeakMap<Message, Uint8Array>();
  let encodings = 0;

  const encode = (message: Message): Uint8Array => {
    encodings += 1;
    const bytes = pack(packr, wireOf(message));
    if (bytes.length > MAX_MESSAGE_BYTES) throw tooLarge(message.kind, bytes.length);
    return bytes;
  };

  return {
    encodeMessage: (message) => {
      if (message.kind !== 'step' && message.kind !== 'chunk') return encode(message);
      const known = shared.get(message);
      if (known !== undefined) return known;
      const bytes = encode(message);
      shared.set(message, bytes);
      return bytes;
    },
    decodeMessages,
    encodings: () => encodings,
  };
}

/** A copy: the scratch space, which may be large, is used again at once. */
function pack(packr: Packr, wire: Wire): Uint8Array {
  const bytes = new Uint8Array(packr.pack(wire, RESET_BUFFER_MODE));
  if (bytes.length > MAX_KEPT_SCRATCH_BYTES) packr.useBuffer(newScratch());
  return bytes;
}

/** msgpackr wants a Buffer where there is one. */
function newScratch(): Uint8Array {
  return typeof Buffer === 'undefined' ? new Uint8Array(SCRATCH_BYTES) : Buffer.allocUnsafeSlow(SCRATCH_BYTES);
}

function wireOf(message: Message): Wire {
  try {
    return messageField.write(message);
  } catch (error) {
    if (!(error instanceof WireProblem)) throw error;
    const field = fieldOf(error);
    const problem = `A message of kind ${message.kind} cannot be sent: its field ${field} ${error.message}.`;
    if (error instanceof WireLimit) {
      const remedy = 'Ask for less at a time, or write less in one transaction.';
      throw new TendrilError({ code: 'limit-exceeded', problem, remedy, facts: { kind: message.kind, field } });
    }
    assert(field.startsWith('parameters'), problem);
    const remedy = 'Pass a string, number, bigint, boolean, Date, Uint8Array or null.';
    throw new TendrilError({ code: 'invalid-parameter', problem, remedy, facts: { kind: message.kind, field } });
  }
}

function tooLarge(kind: MessageKind, bytes: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `A message of kind ${kind} has ${bytes} bytes; at most ${MAX_MESSAGE_BYTES} can be sent.`,
    remedy: 'Ask for less at a time, or write less in one transaction.',
    facts: { kind, bytes, limit: MAX_MESSAGE_BYTES },
  });
}

function decodeMessages(bytes: Uint8Array): readonly Message[] {
  const reader = new WireReader(bytes);
  const messages: Message[] = [];
  try {
    while (!reader.atEnd) {
      if (messages.length === MAX_FRAME_MESSAGES)
        throw new WireLimit(`is one more than ${MAX_FRAME_MESSAGES} in a frame`);
      messages.push(messageField.read(reader));
    }
    return messages;
  } catch (error) {
    throw error instanceof WireProblem ? violation(error, reader.offset, messages.length) : error;
  }
}

function violation(error: WireProblem, offset: number, index: number): TendrilError {
  const kind = error.path[0] ?? null;
  const field = fieldOf(error);
  const what = kind === null ? `Message ${index} of a frame` : `A message of kind ${kind}`;
  return new TendrilError({
    code: 'protocol-violation',
    problem: `${what} was refused: ${field === '' ? 'it' : `its field ${field}`} ${error.message}.`,
    remedy: 'Look at the peer that sent it, and at its version.',
    facts: { kind, field: field === '' ? null : field, offset },
  });
}

/** `parts[3].items.head`: the path without the kind of the message. */
function fieldOf({ path }: WireProblem): string {
  return path
    .slice(1)
    .map((place, index) => (typeof place === 'number' ? `[${place}]` : index === 0 ? place : `.${place}`))
    .join('');
}
