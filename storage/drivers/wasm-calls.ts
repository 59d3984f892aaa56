/**
 * Calls into a SQLite compiled to WebAssembly, in the one way that is safe on Node 20.
 *
 * Its V8 (11.3) may inline a call into WebAssembly, and then drops the type guards of the whole function around it: the
 * length of a string is read before it is known to be a string, and the process ends with a segmentation fault. It inlines
 * only what it knows for certain will be called; so each function stands in an array, and the calls share their call sites.
 */
import { assert } from '../../errors.ts';

/** An Emscripten module, which has the C function `sqlite3_step` as `_sqlite3_step`. */
export type EmscriptenModule = Readonly<Record<string, unknown>>;

type RawCall = (a?: unknown, b?: unknown, c?: unknown, d?: unknown, e?: unknown) => unknown;

/** The C function `name` of `module`, of the type that the caller knows it to have: at most 5 parameters. */
export function functionOf<Wanted>(module: EmscriptenModule, name: string): Wanted {
  const call = module[`_${name}`] as RawCall | undefined;
  assert(typeof call === 'function', `a SQLite compiled to WebAssembly has no function ${name}`);
  return calling([call]) as Wanted;
}

/**
 * One call site for all of them: with one for each number of parameters, a program that only ever binds reals (`bind_double`
 * alone takes three) would let its site be inlined after all.
 */
function calling(functions: RawCall[]): RawCall {
  return (a, b, c, d, e) => functions[0]!(a, b, c, d, e);
}
