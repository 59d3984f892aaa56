/**
 * Frames: what a link carries. One frame holds the messages of one turn; a message larger than a frame travels in parts.
 *
 * Invariants
 *   - a frame is one byte that says what it is (0 whole, 1 part, 2 last part) and its content;
 *   - every part but the last has exactly MAX_FRAME_BYTES: so parts are few, and a peer held to MAX_GREETING_FRAME_BYTES
 *     cannot send any;
 *   - parts of one message follow one another, with nothing between them; only a message that fits no frame is parted;
 *   - nothing a reader keeps passes MAX_MESSAGE_BYTES. A reader that has thrown is spent: its link is to be closed.
 */
import { TendrilError } from '../errors.ts';
import { MAX_FRAME_MESSAGES } from './codec.ts';
import { MAX_MESSAGE_BYTES } from './wire/message-field.ts';

/** Bytes of one frame, its first one included. */
export const MAX_FRAME_BYTES = 1_024 * 1_024;
/** The same, before the peer is authenticated. */
export const MAX_GREETING_FRAME_BYTES = 16 * 1_024;

const HEADER_BYTES = 1;
const CONTENT_BYTES = MAX_FRAME_BYTES - HEADER_BYTES;
const WHOLE = 0;
const PART = 1;
const LAST_PART = 2;

/** Frames for the encoded messages of one turn, to be sent in order and never changed. None for no messages. */
export type FrameWriter = (messages: readonly Uint8Array[]) => readonly Uint8Array[];

/** What a frame completes: the bytes of its messages, for `decodeMessages`. Null while parts are missing. */
export type FrameReader = (frame: Uint8Array) => Uint8Array | null;

/**
 * One writer serves all sessions: it keeps nothing of any, but it knows a turn it has just framed. What a change says to
 * 1,000 sessions, if the very same encoded messages, is one buffer.
 */
export function createFrameWriter(): FrameWriter {
  const turns = new WeakMap<Uint8Array, { readonly messages: readonly Uint8Array[]; readonly frames: Uint8Array[] }>();
  return (messages) => {
    const first = messages[0];
    if (first === undefined) return [];
    const known = turns.get(first);
    if (known !== undefined && sameMessages(known.messages, messages)) return known.frames;
    const frames = framesOf(messages);
    turns.set(first, { messages: [...messages], frames });
    return frames;
  };
}

function sameMessages(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return left.length === right.length && left.every((message, index) => message === right[index]);
}

function framesOf(messages: readonly Uint8Array[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let from = 0;
  let bytes = 0;
  for (let at = 0; at < messages.length; at += 1) {
    const { length } = messages[at]!;
    const isFull = bytes + length > CONTENT_BYTES || at - from === MAX_FRAME_MESSAGES;
    if (isFull && at > from) {
      frames.push(wholeFrame(messages.slice(from, at), bytes));
      from = at;
      bytes = 0;
    }
    bytes += length;
    if (bytes > CONTENT_BYTES) {
      pushParts(frames, messages[at]!);
      from = at + 1;
      bytes = 0;
    }
  }
  if (from < messages.length) frames.push(wholeFrame(messages.slice(from), bytes));
  return frames;
}

function wholeFrame(messages: readonly Uint8Array[], bytes: number): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + bytes);
  frame[0] = WHOLE;
  let at = HEADER_BYTES;
  for (const message of messages) {
    frame.set(message, at);
    at += message.length;
  }
  return frame;
}

function pushParts(frames: Uint8Array[], message: Uint8Array): void {
  for (let from = 0; from < message.length; from += CONTENT_BYTES) {
    const content = message.subarray(from, from + CONTENT_BYTES);
    const frame = new Uint8Array(HEADER_BYTES + content.length);
    frame[0] = from + content.length < message.length ? PART : LAST_PART;
    frame.set(content, HEADER_BYTES);
    frames.push(frame);
  }
}

/**
 * One reader for each link. `limit`: the bytes that a frame may have now, asked for each: MAX_GREETING_FRAME_BYTES until
 * the peer is authenticated, then MAX_FRAME_BYTES. What it returns may be a view of the frame.
 *
 * The reader throws {TendrilError} `limit-exceeded`, `protocol-violation`.
 */
export function createFrameReader(options: { readonly limit: () => number }): FrameReader {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  return (frame) => {
    checkLength(frame, options.limit());
    const content = frame.subarray(HEADER_BYTES);
    const what = frame[0];
    if (what === WHOLE) {
      if (parts.length > 0) throw violation('A whole frame stands between the parts of a message.');
      return content;
    }
    if (what !== PART && what !== LAST_PART) throw violation(`A frame begins with ${what}; 0, 1 and 2 have a meaning.`);
    if (what === LAST_PART && parts.length === 0) throw violation('A last part came before any other part.');
    if (what === PART && frame.length !== MAX_FRAME_BYTES) {
      throw violation(`A part has ${frame.length} bytes; all but the last have ${MAX_FRAME_BYTES}.`);
    }
    bytes += content.length;
    if (bytes > MAX_MESSAGE_BYTES) throw exceeded('A message in parts', bytes, MAX_MESSAGE_BYTES);
    parts.push(content);
    if (what === PART) return null;
    const message = joined(parts, bytes);
    parts = [];
    bytes = 0;
    return message;
  };
}

function checkLength(frame: Uint8Array, limit: number): void {
  if (frame.length > limit) throw exceeded('A frame', frame.length, limit);
  if (frame.length <= HEADER_BYTES) throw violation('A frame holds no message.');
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const message = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

function violation(problem: string): TendrilError {
  return new TendrilError({
    code: 'protocol-violation',
    problem,
    remedy: 'Look at the peer that sent it; docs/protocol.md describes frames.',
  });
}

function exceeded(what: string, bytes: number, limit: number): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${what} has ${bytes} bytes; at most ${limit} are taken here and now.`,
    remedy: 'Look at the peer that sent it: frames are at most 1 MiB, and 16 KiB before it is authenticated.',
    facts: { bytes, limit },
  });
}
