// play.mjs MODULE: random calls against a shadow that asks the module nothing, with somebody else
// growing the memory between them.
import { readFileSync } from "node:fs";

const { exports: heap } = (await WebAssembly.instantiate(readFileSync(process.argv[2]))).instance;
const bytes = () => new Uint8Array(heap.memory.buffer);
const unsigned = (offset) => offset >>> 0;

let state = 1;
const random = (bound) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
};
const holds = (law, name, step) => {
  if (law) return;
  console.error(`broken in step ${step}: ${name}`);
  process.exit(1);
};
const text = (offset) => {
  const end = bytes().indexOf(0, offset);
  return new TextDecoder().decode(bytes().slice(offset, end));
};

const live = [];
const enter = (offset, size, alignment, step) => {
  holds(offset % alignment === 0, "alignment", step);
  holds(offset + size <= bytes().length, "inside the memory", step);
  const usable = unsigned(heap.usable_size(offset));
  holds(usable >= size, "usable size", step);
  const overlapping = live.find((b) => offset < b.offset + b.usable && b.offset < offset + usable);
  holds(!overlapping, "blocks are disjoint", step);
  const mark = 1 + random(255);
  bytes().fill(mark, offset, offset + usable);
  live.push({ offset, size, usable, mark });
};
const intact = ({ offset, mark }, count) =>
  bytes().subarray(offset, offset + count).every((byte) => byte === mark);

// A block that is resized to nearly all of the memory that 32 bits address, where sums of sizes wrap.
// What was asked for is there to its last byte, or is refused, and the block is as it was.
function nearFourGigabytes() {
  heap.reset();
  const block = unsigned(heap.allocate(100_000));
  holds(block !== 0, "memory is left", "near 4 GiB");
  bytes().fill(77, block, block + 100_000);
  for (const size of [0xffffffff, 0xfffff000, 3_900_000_000, 3_817_748_708, 3_700_000_000]) {
    const resized = unsigned(heap.resize(block, size));
    const at = resized || block;
    holds(!resized || unsigned(heap.usable_size(at)) >= size, `usable size of ${size}`, "near 4 GiB");
    holds(!resized || at + size <= bytes().length, `${size} inside the memory`, "near 4 GiB");
    holds(intact({ offset: at, mark: 77 }, 100_000), `content of ${size}`, "near 4 GiB");
    const law = heap.validate();
    holds(law === 0, `law: ${law && text(law)}`, "near 4 GiB");
    if (resized) return;
  }
}

holds(heap.start(), "start", 0);
for (let step = 1; step <= 5000; step++) {
  const kind = random(10), size = random([20, 100, 1000, 40000][random(4)]);
  if (live.length < 100 && kind < 5) {
    const alignment = kind === 0 ? 2 ** (4 + random(13)) : 16;
    const offset = kind === 0 ? heap.allocate_aligned(alignment, size)
      : kind === 1 ? heap.allocate_zeroed(size) : heap.allocate(size);
    holds(offset !== 0, "memory is left", step);
    if (kind === 1)
      holds(intact({ offset: unsigned(offset), mark: 0 }, size), "zero", step);
    enter(unsigned(offset), size, alignment, step);
  } else if (live.length) {
    const [block] = live.splice(random(live.length), 1);
    holds(intact(block, block.usable), "content", step);
    if (kind < 7) {
      const offset = unsigned(heap.resize(block.offset, size));
      holds(offset !== 0, "memory is left", step);
      holds(intact({ offset, mark: block.mark }, Math.min(size, block.size)), "content kept", step);
      enter(offset, size, 16, step);
    } else {
      heap.free(block.offset);
    }
  }
  if (random(200) === 0) {
    const offset = bytes().length;
    heap.memory.grow(1);
    bytes().fill(7, offset);
    live.foreign = [...(live.foreign ?? []), offset];
  }
  const law = heap.validate();
  holds(law === 0, `law: ${law && text(law)}`, step);
}
for (const offset of live.foreign)
  holds(intact({ offset, mark: 7 }, 65536), "foreign pages", "last");
for (const size of [0xffffffff, 0xfffffff0, 0xffffffec, 0xffffffe0])
  holds(heap.allocate(size) === 0 && heap.allocate_aligned(65536, size) === 0, "refusal", "last");
heap.reset();
holds(heap.validate() === 0 && heap.allocate(100) !== 0, "reset", "last");
nearFourGigabytes();
console.log(`  5000 random steps held, ${bytes().length / 65536} pages`);
