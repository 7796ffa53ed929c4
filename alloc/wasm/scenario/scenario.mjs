// scenario.mjs MANAGED MODULE: a garbage-collected program, JavaScript and C share buffers that lie
// in the program's own memory and in an imported one. Needs --expose-gc and WasmGC.
import { readFileSync } from "node:fs";

const [managedFile, moduleFile] = process.argv.slice(2);
const LISTS = 100_000;
const TURN = 1_000; // lists made between two turns of the event loop
const OWN = 0, OTHER = 1;
const SCRIPT = 1, MODULE = 2; // owners

const holds = (law, name) => {
  if (law) return;
  console.error(`broken: ${name}`);
  process.exit(1);
};

// Whether the program's code is on the stack: a finalizer must never find it there.
let inside = 0, finalized = 0, enqueued = 0;
const guarded = (exports) =>
  Object.fromEntries(Object.entries(exports).map(([name, value]) => [name,
    typeof value !== "function" ? value : (...values) => {
      inside++;
      try { return value(...values); } finally { inside--; }
    }]));

let program; // its exports
const registry = new FinalizationRegistry((token) => {
  holds(inside === 0, "no finalizer runs inside wasm");
  finalized++;
  if (program.enqueue(token) === 0) enqueued++;
});
const module = guarded((await WebAssembly.instantiate(readFileSync(moduleFile), {
  buffers: { release: (handle) => program.release(handle) },
})).instance.exports);
holds(module.module_start(), "the C module starts");
program = guarded((await WebAssembly.instantiate(readFileSync(managedFile), {
  module,
  host: { register: (list, token) => registry.register(list, token, list) },
})).instance.exports);
const memories = [program.memory, module.memory];

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
const collectUntil = async (done, what) => {
  for (let i = 0; i < 100 && !done(); i++) {
    globalThis.gc();
    await turn();
    program.drain(0xffffffff);
  }
  holds(done(), what);
};
const live = () => program.live(OWN) + program.live(OTHER);

// A TypedArray over a list's bytes, with a reference of JavaScript's own.
const viewOf = (list) => {
  const handle = program.share_list(list, SCRIPT);
  holds(handle !== 0n, "a list can be shared");
  const { buffer } = memories[program.memory_of(list)];
  const view = new Uint8Array(buffer, program.start(list), program.length(list));
  registry.register(view, program.attach(handle));
  return view;
};

holds(program.buffer_table_start(64 << 20), "the buffer table starts");
const blocksAtStart = [program.own_blocks(), module.module_blocks()];

async function sharing() {
  let a = program.list(OWN, 256), b = program.list(OTHER, 256);
  for (let i = 0; i < 256; i++) program.set(a, i, i);
  program.set_range(b, a, 256);
  holds(program.get(b, 200) === 200, "setRange goes across memories");
  let ofA = viewOf(a), ofB = viewOf(b);
  ofA[3] = 99;
  ofB[4] = 98;
  holds(program.get(a, 3) === 99 && program.get(b, 4) === 98, "JavaScript's views copy nothing");
  holds(program.references(program.handle(a)) === 1, "each owner counts for itself");

  module.hold(program.share_list(b, MODULE), program.start(b), 256); // and outlives it
  let sub = program.sublist(a, 10, 16);
  holds(program.get(sub, 0) === 10, "a sublist shows the same bytes");
  let adopted = program.adopt_list(OTHER, module.make_filled(64, 7), 64);
  holds(program.get(adopted, 63) === 7, "a block of C's becomes a list");
  holds(live() === 3, "three buffers");

  a = b = adopted = undefined;
  await collectUntil(() => live() === 2, "what only the program held is freed");
  holds(ofA[3] === 99, "a view outlives the list");
  ofA = ofB = undefined;
  holds(program.get(sub, 0) === 10, "a sublist outlives list and view");
  sub = undefined;
  await collectUntil(() => live() === 1, "the last view frees");
  holds(module.sum_held() === 255 * 128 - 4 + 98, "C still reads what it holds");
  holds(module.drop_held() === 1 && live() === 0, "C's release is the last, and frees");
}

// Sums that wrap where size_t has 32 bits: a block's end, a view's length in bytes.
async function sizes() {
  const block = module.make_filled(64, 7) >>> 0;
  for (const end of [2 ** 32, 2 ** 32 + 64])
    holds(program.refuses_block(OTHER, block, end - block), "a block ends in its memory");
  module.free(block);
  let list = program.list(OWN, 64);
  holds(program.refuses_views_of_4_gib(program.handle(list)), "a view ends in its buffer");
  list = undefined;
  await collectUntil(() => live() === 0, "the list is freed");
}

// By hand and by the collector: once.
async function closing() {
  let list = program.list(OTHER, 100);
  const before = enqueued;
  holds(program.close_list(list) === 1 && live() === 0, "a list can be closed");
  list = undefined;
  const all = finalized + 1;
  await collectUntil(() => finalized >= all, "the collector comes all the same");
  holds(enqueued === before, "and finds the token stale");
}

// Half in each memory, some with sublists and views, all dropped at once.
async function churn() {
  let made = 0;
  const some = () => {
    for (let i = 0; i < TURN; i++, made++) {
      const list = program.list(made & 1, 16 + (made % 400));
      holds(list !== null, "a list can be made");
      program.set(list, made % 16, made & 255);
      if (made % 7 === 0) program.sublist(list, 0, 8);
      if (made % 50 === 0) viewOf(list);
    }
  };
  let most = 0;
  while (made < LISTS) {
    some();
    most = Math.max(most, live());
    await turn();
    program.drain(4 * TURN);
  }
  await collectUntil(() => live() === 0, "all are freed");
  return most;
}

// What a handle costs at the border, as a BigInt and as two halves.
function border() {
  const list = program.list(OWN, 16), handle = program.handle(list);
  const low = Number(handle & 0xffffffffn) | 0, high = Number(handle >> 32n) | 0;
  const pairs = 2_000_000;
  const time = (pair) => {
    const start = performance.now();
    for (let i = 0; i < pairs; i++) pair();
    return ((performance.now() - start) * 1e6) / pairs;
  };
  const { retain, release, retain_halves, release_halves } = program;
  const whole = () => { retain(handle); release(handle); };
  const halves = () => { retain_halves(low, high); release_halves(low, high); };
  return [0, 1, 2].map(() => [time(whole), time(halves)]).pop();
}

await sharing();
await sizes();
await closing();
const most = await churn();
const [whole, halves] = border();
await collectUntil(() => live() === 0, "the last list is freed");
holds(program.holds_laws(), "the buffer table holds its laws");
holds(module.module_blocks() === blocksAtStart[1], "the C module's heap is empty again");
const tables = program.own_blocks() - blocksAtStart[0];
console.log(`${LISTS} lists in two memories, at most ${most} buffers live, ${finalized} finalizers, ` +
  `pressed ${program.times_pressed()} times`);
console.log(`live blocks 0 and 0 (${tables} tables of the table); pages ` +
  memories.map((memory) => memory.buffer.byteLength / 65536).join(" and "));
console.log(`retain + release: ${whole.toFixed(1)} ns with a BigInt, ${halves.toFixed(1)} with halves`);
