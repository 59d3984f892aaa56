/** What the compiler must be told of globals and packages that bring no types for it. */

declare namespace WebAssembly {
  type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  class Memory {
    constructor(pages: { readonly initial: number });
    readonly buffer: ArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  function instantiate(bytes: Uint8Array, imports?: Imports): Promise<{ readonly instance: Instance }>;
}

declare module 'sql.js/dist/sql-wasm-browser.js' {
  /** Fills `module` with the C functions and resolves with it; a second call resolves with the first call's module. */
  const initialise: <Module extends object>(module: Module) => Promise<Module>;
  export default initialise;
}
