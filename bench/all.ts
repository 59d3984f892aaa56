/** Every bench, in the order of the table. */
import type { Bench } from './bench.ts';
import { creates } from './creates.ts';
import { dispatch } from './dispatch.ts';
import { hydrate } from './hydrate.ts';
import { indexAlone } from './index-alone.ts';
import { matcher } from './matcher.ts';
import { memory } from './memory.ts';
import { coldSync } from './net/cold-sync.ts';
import { crowd } from './net/crowd.ts';
import { crowd1000 } from './net/crowd-1000.ts';
import { fanOut } from './net/fan-out.ts';
import { flush } from './net/flush.ts';
import { fullCopy } from './net/full-copy.ts';
import { reconnect } from './net/reconnect.ts';
import { relay } from './net/relay.ts';
import { reopen } from './reopen.ts';
import { selections } from './selections.ts';
import { window } from './window.ts';

export const BENCHES: readonly Bench[] = [
  creates,
  selections,
  indexAlone,
  dispatch,
  window,
  hydrate,
  reopen,
  matcher,
  memory,
  relay,
  coldSync,
  fanOut,
  crowd,
  crowd1000,
  reconnect,
  flush,
  fullCopy,
];
