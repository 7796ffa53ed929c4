// A broker: devices send readings and pictures as MessagePack, which wait in queues until they are
// delivered; what nobody takes is packed into archives, and the oldest archives go.
import { setImmediate as turn } from 'node:timers/promises';
import { decode, encode } from '@msgpack/msgpack';
import { deflateSync, inflateSync } from 'fflate';

let state = 20240117;
const below = (bound) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
};

function reading(device) {
  const values = new Float32Array(4 + below(60));
  for (let i = 0; i < values.length; i++) values[i] = Math.sin(device + i) * below(100);
  return { device, at: state, name: `device-${device}`, values: new Uint8Array(values.buffer) };
}

function picture(device) {
  const pixels = new Uint8ClampedArray((1 + below(16)) * 256);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i * device) ^ below(8);
  return { device, at: state, kind: 'picture', width: 16, pixels: new Uint8Array(pixels.buffer) };
}

const queues = Array.from({ length: 40 }, () => []);
const archives = [];
let delivered = 0, sum = 0, archived = 0;

function receive() {
  const device = below(queues.length);
  queues[device].push(encode(below(8) ? reading(device) : picture(device)));
}

function deliver(queue) {
  const message = decode(queue.shift());
  delivered++;
  if (message.kind) {
    sum += message.pixels.subarray(16, 32)[3];
    return;
  }
  const bytes = message.values.slice(); // aligned
  sum += new Float32Array(bytes.buffer).reduce((a, b) => a + b, 0);
}

function archive(queue) {
  const batch = encode(queue.splice(0));
  archives.push(deflateSync(batch, { level: 1, mem: 2 }));
  archived++;
  if (archives.length > 24) {
    const old = decode(inflateSync(archives.splice(below(12), 1)[0]));
    if (old.length) sum += decode(old[0]).device;
  }
}

for (let round = 0; round < 1200; round++) {
  for (let i = 0; i < 10; i++) receive();
  for (const queue of queues) {
    if (queue.length > 1 && below(6) === 0) deliver(queue);
    if (queue.length > 12) archive(queue);
  }
  await turn();
}
console.log(delivered, archived, sum.toFixed(3));
