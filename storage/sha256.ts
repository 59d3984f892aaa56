/** SHA-256, by the platform where it can be called without waiting, else by the package. */
import { sha256 as portableSha256 } from '@noble/hashes/sha2.js';
import { ByteWriter } from './encoding.ts';

/** The first `count` bytes of the hash, of 32. */
type Hash = (bytes: Uint8Array, count?: number) => Uint8Array;

const SHA256_BYTES = 32;

export const sha256: Hash =
  nativeSha256() ?? ((bytes, count = SHA256_BYTES) => portableSha256(bytes).subarray(0, count));

function nativeSha256(): Hash | null {
  // Not `import`: a browser's bundle has no such module, and Node before 20.16 no way to ask.
  const crypto = globalThis.process?.getBuiltinModule?.('node:crypto');
  if (crypto?.hash === undefined) return null;
  const { hash } = crypto;
  const writer = new ByteWriter();
  return (bytes, count = SHA256_BYTES) => {
    // As text, because Node makes a Buffer four times as slowly.
    writer.hex(hash('sha256', bytes, 'hex'), count);
    return writer.take();
  };
}
