// A server of map tiles: PNGs are drawn, kept packed, and for each question decoded, laid over one
// another, cut, made smaller and packed again.
import { setImmediate as turn } from 'node:timers/promises';
import { decode, encode } from 'fast-png';

let state = 99;
const below = (bound) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
};

const SIDE = 64;

function draw(channels) {
  const data = new Uint8Array(SIDE * SIDE * channels);
  for (let y = 0, at = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++)
      for (let c = 0; c < channels; c++)
        data[at++] = ((x * y) >> 4) + c * 40 + (below(64) === 0 ? 9 : 0);
  return encode({ width: SIDE, height: SIDE, data, channels, depth: 8 });
}

function cut(picture, left, top, width, height) {
  const { channels, data } = picture;
  const part = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * channels;
    part.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, depth: 8, data: part };
}

function halve({ width, height, channels, data }) {
  const wide = width >> 1, high = height >> 1;
  const sums = new Uint16Array(wide * high * channels);
  for (let y = 0; y < high; y++)
    for (let x = 0; x < wide; x++)
      for (let c = 0; c < channels; c++)
        for (const near of [0, 1, width, width + 1])
          sums[(y * wide + x) * channels + c] += data[(2 * (y * width + x) + near) * channels + c];
  const half = Uint8Array.from(sums, (sum) => sum >> 2);
  return { width: wide, height: high, channels, depth: 8, data: half };
}

const stored = Array.from({ length: 60 }, (_, i) => draw(i % 3 === 0 ? 4 : 3));
const answers = [];
let bytes = 0;
for (let question = 0; question < 700; question++) {
  const picture = decode(stored[below(stored.length)]);
  const side = 2 * (4 + below(12));
  let part = cut(picture, below(SIDE - side), below(SIDE - side), side, side);
  if (below(2)) part = halve(part);
  answers.push(encode(part));
  bytes += answers.at(-1).length;
  if (answers.length > 50) answers.splice(below(25), 1);
  if (question % 16 === 0) stored[below(stored.length)] = draw(3 + below(2));
  if (question % 2) await turn();
}
console.log(bytes, answers.length);
