import { BUGS } from './bugs.ts';
import { searchFor } from './planted.ts';
for (const name of process.argv.slice(2)) { const b = BUGS.find((x) => x.name === name)!; const r = await searchFor(b, 8000); console.log(name, '|', r.seed, r.step, r.events, String(r.violation).slice(0, 100).replaceAll('\n', ' ')); }
