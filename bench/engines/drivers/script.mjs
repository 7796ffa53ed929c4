// script.mjs [MODULE REPLAY verify|measure ROUNDS HEAP-OFFSET HANDICAP]: runs a cell in the engine
// that runs this script, and prints the outcome as a line of JSON. bench/engines/engine.h describes
// the arguments and the outcome. Without arguments: prints the engine's version and features.
import { readFileSync } from "node:fs";

const now = () => performance.now() * 1e6;

// Returns the smallest difference between two readings of the clock.
function clockStep() {
  let step = Infinity;
  for (let i = 0; i < 1000; i++) {
    const from = now();
    let to = from;
    while (to === from) to = now();
    step = Math.min(step, to - from);
  }
  return step;
}

// Runs a pass; a handicap adds this fraction of its time. Returns its nanoseconds.
function time(module, handicap) {
  const start = now();
  module.pass();
  let end = now();
  const until = end + (end - start) * handicap;
  while (end < until) end = now();
  module.finish();
  return end - start;
}

function growTime(module) {
  const count = 64, start = now();
  return module.grow_pages(count) === count ? (now() - start) / count : null;
}

function measure(module, rounds, handicap) {
  const outcome = { cold_ns: time(module, handicap), pages: module.pages(), warm_ns: [] };
  for (let i = 0; i < rounds; i++) outcome.warm_ns.push(time(module, handicap));
  return { ...outcome, pages_end: module.pages(), clock_step_ns: clockStep(),
    memory_grow_ns: growTime(module) };
}

function verify(module) {
  module.verify();
  return { pages: module.pages(), memory_grows: module.grows(),
    heap_hash: BigInt.asUintN(64, module.heap_hash()).toString(16).padStart(16, "0") };
}

const unsigned = (address) => address >>> 0;

function failure(module) {
  const bytes = new Uint8Array(module.memory.buffer), start = unsigned(module.failure());
  return new TextDecoder().decode(bytes.slice(start, bytes.indexOf(0, start)));
}

function run(modulePath, replayPath, what, rounds, heapOffset, handicap) {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(modulePath)));
  const module = instance.exports, replay = readFileSync(replayPath);
  const room = unsigned(module.room(replay.length));
  let outcome = {};
  if (room) {
    new Uint8Array(module.memory.buffer).set(replay, room);
    if (module.set_up(Number(heapOffset)))
      outcome = what === "verify" ? verify(module) : measure(module, Number(rounds), Number(handicap));
  }
  return { ...outcome, failure: failure(module) };
}

// Modules in hexadecimal, without the header, that an engine accepts if it has the feature: a memory,
// a type, or a function with an instruction.
const code = (body) => "01040160000003020100" + "0503010001" +
  "0a" + hexByte(body.length / 2 + 3) + "01" + hexByte(body.length / 2 + 1) + "00" + body;
const hexByte = (number) => number.toString(16).padStart(2, "0");
const features = {
  "bulk-memory": code("410041004100fc0b000b"),
  "simd": code("fd0c" + "00".repeat(16) + "1a0b"),
  "multi-memory": "050502" + "0001" + "0001",
  "memory64": "0503010401",
  "threads": "050401030101",
  "tail-calls": code("12000b"),
  "gc": "0103015f00",
  "exceptions": code("1f40000b0b"),
};
const bytes = (hex) => Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));

function describe() {
  const { v8 } = process.versions;
  const version = globalThis.Bun ? `Bun ${Bun.version}` : `V8 ${v8} (node ${process.versions.node})`;
  const has = (name) => WebAssembly.validate(bytes("0061736d01000000" + features[name]));
  return { version, features: Object.keys(features).filter(has) };
}

const given = process.argv.slice(2);
let outcome;
try {
  outcome = given.length ? run(...given) : describe();
} catch (error) {
  outcome = { failure: String(error) };
}
console.log(JSON.stringify(outcome));
