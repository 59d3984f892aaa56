import { BUGS } from './bugs.ts';
import { searchFor } from './planted.ts';

const from = Number(process.argv[2]),
  step = Number(process.argv[3]),
  budget = Number(process.argv[4]);
console.log('baseline', JSON.stringify(await searchFor({ ...BUGS[0]!, find: 'zzzz-never', replace: '' }, 1500)));
for (let i = from; i < BUGS.length; i += step) {
  const r = await searchFor(BUGS[i]!, budget);
  console.log(i, BUGS[i]!.name, '|', r.seed, r.step, r.events, String(r.violation).slice(0, 160).replaceAll('\n', ' '));
}
