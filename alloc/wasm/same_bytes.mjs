// same_bytes.mjs MODULE HEAP-START STEPS…: plays the module's player and says at each number of
// steps what the heap looks like, in the words of alloc/wasm/same_bytes_test.c.
import { readFileSync } from "node:fs";

const [module, start, ...stops] = process.argv.slice(2);
const { exports: heap } = (await WebAssembly.instantiate(readFileSync(module))).instance;
const hex = (n) => BigInt.asUintN(64, n).toString(16).padStart(16, "0");

const pages = () => heap.memory.buffer.byteLength / 65536;
const zero = new Uint8Array(heap.memory.buffer).subarray(Number(start)).every((byte) => byte === 0);
console.log(`before: ${pages()} pages, ${zero ? "all zero" : "not all zero"} from ${start}`);

let held = heap.player_start(Number(start));
let played = 0;
for (const stop of stops.map(Number)) {
  held &&= heap.player_play(stop - played);
  played = stop;
  console.log(`${stop} steps ${held ? "held" : "failed"}: ${pages()} pages, ` +
    `answers ${hex(heap.player_answers())}, bytes ${hex(heap.player_hash())}`);
}
