/** What is said to a victim, and what it says. */
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import type { Receipt } from './collections.ts';

/** In which of its doings it is to be killed. `checkpointing` is writing with a checkpoint every few transactions. */
export type Phase = 'opening' | 'writing' | 'checkpointing' | 'backup' | 'closing';

export interface Order {
  readonly file: string;
  readonly driver: FileDriverName;
  readonly seed: number;
  readonly firstStamp: number;
  readonly phase: Phase;
}

export type Line =
  | { readonly kind: 'ready' | 'opening' | 'open' | 'closing' }
  | { readonly kind: 'receipt'; readonly receipt: Receipt }
  | { readonly kind: 'seen'; readonly stamp: number }
  | { readonly kind: 'backup' | 'backed-up'; readonly file: string };
