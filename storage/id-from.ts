/** Natural keys: an entity id made of what identifies the entity elsewhere, the same on every node. */
import { TendrilError } from '../errors.ts';
import { ByteWriter } from './encoding.ts';
import { type EntityId, ID_BYTES, readId } from './ids.ts';
import { sha256 } from './sha256.ts';

const TIME_BYTES = 6;

/**
 * The id of the entity that `parts` name: `idFrom('airport', 'SFO')`. Zero time, then the first 80 bits of the SHA-256
 * of the parts, each in the value encoding; a whole number within ±(2^53-1) and the bigint equal to it are one part.
 *
 * @throws {TendrilError} `invalid-value` for no parts, NaN, or text that is not well-formed.
 */
export function idFrom(...parts: readonly (string | number | bigint)[]): EntityId {
  if (parts.length === 0) {
    throw new TendrilError({
      code: 'invalid-value',
      problem: 'idFrom() was given nothing that identifies an entity.',
      remedy: "Name the collection and its key, as in idFrom('airport', 'SFO').",
    });
  }
  const writer = new ByteWriter();
  for (const part of parts) writer.value(Number.isSafeInteger(part) ? BigInt(part as number) : part);
  const bytes = new Uint8Array(ID_BYTES);
  bytes.set(sha256(writer.take(), ID_BYTES - TIME_BYTES), TIME_BYTES);
  return readId<EntityId>(bytes, 0);
}
