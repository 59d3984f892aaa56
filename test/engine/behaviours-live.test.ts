import { Node } from '../../index.ts';
import { COLLECTIONS } from '../behaviours/fixture.ts';
import { describeLive } from '../behaviours/live.ts';

describeLive('durable, in memory', (options) => Node.open({ collections: [...COLLECTIONS], ...options }));
