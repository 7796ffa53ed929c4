// Records the lives of a program's ArrayBuffers and of the views over them, as a buffer trace:
//
//     BUFFERS_TRACE=FILE.lmt node --expose-gc --import ./record_buffers.mjs PROGRAM
//
// A buffer is born (b) when a wrapped constructor or function first shows it: ArrayBuffer, the
// eleven typed arrays and DataView, what their methods make by species (slice, subarray, map …),
// Buffer's makers, TextEncoder.encode, structuredClone. Each view is a v of it. Buffer and view
// have a token each (@), as an engine would attach finalizers that keeps their bytes in linear
// memory. A FinalizationRegistry tells of their deaths (c), which are drained at the next turn of
// the event loop (d). What structuredClone transfers is released by hand (~ -), and is a buffer
// anew where it arrives.
//
// What is recorded is not quite what would be without recording:
// - V8 collects by what its own spaces and the array buffers' bytes weigh; a host whose buffers lie
//   in linear memory would ask for collections itself. Here one is forced (gc) whenever
//   BUFFERS_GC_BYTES more were born (2 MiB). So lifetimes depend on births, not on time; they are
//   as long as that number makes them. V8 collected by itself once in pictures, beside the 242
//   times that it was forced to, and in the other shipped traces never. Left to itself it did so
//   10 times in messages, not 116, and 49 MB lived at once, not 4.8.
// - A registry's callbacks come as a task of the event loop: a program that does not yield sees no
//   death before its end. What lives then is collected and drained after the exit (e).
// - `buffer` is asked of each typed array, so that one of up to 64 bytes gets its buffer at once.
// - What native code makes unseen (fs, zlib, crypto) is born when first a view over it is made
//   here. Memories of WebAssembly and SharedArrayBuffers are left out.
import { writeFileSync } from 'node:fs';

const path = process.env.BUFFERS_TRACE;
const gcBytes = Number(process.env.BUFFERS_GC_BYTES ?? 2 << 20);
const note = process.env.BUFFERS_NOTE ?? '';

const kinds = {
  Int8Array: 'i8', Uint8Array: 'u8', Uint8ClampedArray: 'c8', Int16Array: 'i16',
  Uint16Array: 'u16', Int32Array: 'i32', Uint32Array: 'u32', Float32Array: 'f32',
  Float64Array: 'f64', BigInt64Array: 'i64', BigUint64Array: 'u64', DataView: 'bytes',
};

let lines = []; // of the trace, the last ones
const texts = []; // those before them, joined: less for the collector to mark
const references = new WeakMap(); // buffer or view => the number of its reference, and its token's
const live = new Set(); // numbers
const { ArrayBuffer: RealArrayBuffer, WebAssembly, structuredClone: realClone } = globalThis;
const tag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const memories = new WeakSet(); // buffers of WebAssembly
let next = 0, bornBytes = 0, draining = false;

function say(...said) {
  lines.push(...said);
  if (lines.length < 4096) return;
  texts.push(`${lines.join('\n')}\n`);
  lines = [];
}

function collected(number) {
  if (!live.delete(number)) return;
  say(`c ${number}`);
  if (draining) return;
  draining = true;
  setImmediate(() => {
    draining = false;
    say('d');
  }).unref();
}
const registry = new FinalizationRegistry(collected);

// A reference and its token have the same number.
function refer(object, line) {
  const number = next++;
  references.set(object, number);
  live.add(number);
  say(line(number), `@ ${number} ${number}`);
  registry.register(object, number, object);
  return number;
}

function born(buffer) {
  if (references.has(buffer)) return references.get(buffer);
  const number = refer(buffer, (n) => `b ${n} ${buffer.byteLength}`);
  bornBytes += buffer.byteLength;
  if (bornBytes >= gcBytes) {
    bornBytes = 0;
    globalThis.gc();
  }
  return number;
}

function viewed(view) {
  if (references.has(view)) return view;
  const { buffer, byteOffset } = view;
  if (!(buffer instanceof RealArrayBuffer) || memories.has(buffer)) return view;
  const of = born(buffer);
  const kind = kinds[tag.call(view) ?? 'DataView'];
  refer(view, (n) => `v ${n} ${of} ${kind} ${byteOffset} ${view.length ?? view.byteLength}`);
  return view;
}

// What is a buffer, or a view, among what a function returns.
function seen(value) {
  if (value instanceof RealArrayBuffer) {
    if (!memories.has(value)) born(value);
  } else if (RealArrayBuffer.isView(value)) {
    viewed(value);
  }
  return value;
}

// A constructor whose instances are seen, also those that methods make of them by species.
function wrapConstructor(name) {
  const Real = globalThis[name];
  const Wrapped = new Proxy(Real, {
    construct: (target, args, newTarget) => seen(Reflect.construct(target, args, newTarget)),
  });
  Object.defineProperty(Real.prototype, 'constructor',
    { value: Wrapped, writable: true, configurable: true });
  globalThis[name] = Wrapped;
}

function wrapFunction(holder, name) {
  const real = holder[name];
  Object.defineProperty(holder, name, {
    value: function (...args) {
      return seen(Reflect.apply(real, this, args));
    },
    writable: true, configurable: true,
  });
}

// The references that end by hand.
function released(buffer) {
  const number = references.get(buffer);
  if (number === undefined || !live.delete(number)) return;
  registry.unregister(buffer);
  references.delete(buffer);
  say(`~ ${number}`, `- ${number}`);
}

function finish() {
  say('e');
  for (const number of live) say(`c ${number}`);
  say('d', '');
  const told = note.split('\n').filter(Boolean).map((line) => `# ${line}\n`).join('');
  writeFileSync(path, `linmem-trace 1\n${told}${texts.join('')}${lines.join('\n')}`);
}

if (path) {
  for (const name of ['ArrayBuffer', ...Object.keys(kinds)]) wrapConstructor(name);
  for (const name of ['from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow', 'concat'])
    wrapFunction(Buffer, name);
  for (const name of ['slice', 'subarray']) wrapFunction(Buffer.prototype, name);
  for (const name of ['toReversed', 'toSorted', 'with'])
    wrapFunction(Object.getPrototypeOf(Uint8Array.prototype), name);
  wrapFunction(TextEncoder.prototype, 'encode');
  const memory = Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, 'buffer');
  Object.defineProperty(WebAssembly.Memory.prototype, 'buffer', {
    ...memory,
    get() {
      const buffer = memory.get.call(this);
      memories.add(buffer);
      return buffer;
    },
  });
  globalThis.structuredClone = (value, options) => {
    const clone = realClone(value, options);
    for (const given of options?.transfer ?? [])
      if (given instanceof RealArrayBuffer) released(given);
    return seen(clone);
  };
  process.on('exit', finish);
}
