// node corpus/record/record_buffers_test.mjs LINMEM: what the hook records of a small
// program, line by line, and that it is a valid trace.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [linmem] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'linmem-buffers-'));

const program = `
  const turn = () => new Promise((done) => setTimeout(done, 20));
  const kept = new Float64Array(100);
  const part = kept.subarray(50);
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer);
  (() => { new Int16Array(1001).slice(1, 3); new DataView(new ArrayBuffer(777)); })();
  const given = new ArrayBuffer(333);
  const arrived = structuredClone(given, { transfer: [given] });
  await turn(); gc(); await turn(); await turn();
  const last = new Uint8Array(555);
  globalThis.keep = [kept, part, memory, given, arrived, last];
`;

try {
  const path = join(folder, 'made.lmt');
  writeFileSync(join(folder, 'program.mjs'), program);
  execFileSync(process.execPath, ['--expose-gc', '--import', './corpus/record/record_buffers.mjs',
    join(folder, 'program.mjs')], { env: { BUFFERS_TRACE: path, BUFFERS_NOTE: 'a\nb' } });
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.deepStrictEqual(lines.slice(0, 3), ['linmem-trace 1', '# a', '# b']);

  const idOf = (start, end) => lines.find((line) => line.startsWith(start) && line.endsWith(end))
    ?.split(' ')[1] ?? assert.fail(`no ${start} … ${end}`);
  const exit = lines.indexOf('e'), last = lines.indexOf(`b ${idOf('b', ' 555')} 555`);
  const diedAt = (id) => lines.indexOf(`c ${id}`);
  const kept = idOf('b', ' 800');
  for (const id of [kept, idOf('v', ` ${kept} f64 0 100`), idOf('v', ` ${kept} f64 400 50`)])
    assert(diedAt(id) > exit);
  const dead = idOf('b', ' 2002'), part = idOf('b', ' 4'), viewed = idOf('b', ' 777');
  for (const id of [dead, idOf('v', ` ${dead} i16 0 1001`), part, idOf('v', ` ${part} i16 0 2`),
    viewed, idOf('v', ` ${viewed} bytes 0 777`)]) {
    assert(diedAt(id) > 0 && diedAt(id) < last, `${id} is not collected in time`);
    assert(lines.indexOf('d', diedAt(id)) < last, `${id} is not drained in time`);
  }
  const both = lines.filter((line) => /^b \d+ 333$/.test(line)).map((line) => line.split(' ')[1]);
  assert.strictEqual(both.length, 2);
  assert(lines.includes(`~ ${both[0]}`) && lines.includes(`- ${both[0]}`));
  assert(!lines.some((line) => line.endsWith(' 65536')));
  execFileSync(linmem, ['trace', 'check', path]);
} finally {
  rmSync(folder, { recursive: true });
}
