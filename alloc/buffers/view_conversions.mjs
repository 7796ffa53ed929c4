// What JavaScript's own TypedArrays make of values: prints the rows of alloc/buffers/view_conversions.def.
//
//     node alloc/buffers/view_conversions.mjs > alloc/buffers/view_conversions.def
//
// Cells are bits, in the order of alloc/buffers/view.h's kinds:
//
// NUMBER(bits, i8 … f64)     a double is stored in a list of each kind: the element's bits
// INTEGER(value, i8 … u64)   an integer is stored, of 64 bits
// COPY(kind, bits, i8 … f64) an element with these bits is copied to a list of each kind
const numbers = {
    I8: Int8Array, U8: Uint8Array, C8: Uint8ClampedArray, I16: Int16Array, U16: Uint16Array,
    I32: Int32Array, U32: Uint32Array, F32: Float32Array, F64: Float64Array,
};
const bigints = {I64: BigInt64Array, U64: BigUint64Array};

const hex = (bits) => bits < 10n ? `${bits}` : `0x${bits.toString(16)}`;
const row = (name, ...cells) => console.log(`${name}(${cells.join(", ")})`
    .replace(/^(.{60,99},) (.*)$/, (line, head, tail) => line.length > 100 ? `${head}\n     ${tail}` : line));

// The bits of element 0, and a list whose element 0 has these bits.
const bitsOf = (list) => [...new Uint8Array(list.buffer, 0, list.BYTES_PER_ELEMENT)]
    .reduceRight((bits, byte) => bits << 8n | BigInt(byte), 0n);
function listOf(List, bits) {
    const list = new List(1), bytes = new Uint8Array(list.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Number(bits >> BigInt(8 * i) & 255n);
    return list;
}
const doubleBits = (value) => bitsOf(Float64Array.of(value));
const floatBits = (value) => bitsOf(Float32Array.of(value));
const neighbours = (bits) => [bits - 1n, bits, bits + 1n];

console.log(`// What node ${process.version} stores: the rows of alloc/buffers/view_conversions.mjs, which says what they are.`);

// Doubles: the ends of all kinds and their halves, with both neighbours and both signs.
const doubles = new Set([doubleBits(NaN), 0n, 1n, 2n ** 52n, 0x7fefffffffffffffn]);
for (const value of [0.5, 1, 1.5, 2.5, 3.5, 100.5, 126.5, 127, 127.5, 128, 128.5, 253.5, 254, 254.5, 255,
    255.5, 256, 257, 511.5, 512, 32767, 32767.5, 32768, 65535, 65535.5, 65536, 65537,
    2147483647, 2147483647.5, 2147483648, 4294967295, 4294967295.5, 4294967296, 4294967297,
    2 ** 52 + 1, 2 ** 53 - 1, 2 ** 53 + 2, 2 ** 63 - 1024, 2 ** 63, 2 ** 63 + 2 ** 11, 2 ** 64 - 2 ** 11,
    2 ** 64, 2 ** 64 + 2 ** 12, 3 * 2 ** 65, 2 ** 83 + 2 ** 31, 2 ** 84 - 2 ** 31, 2 ** 100, 1e21, 1e300,
    12345678901234567890, 0.1, Math.PI, 1 / 3, 2 ** -126, 2 ** -149, 2 ** -150, 1.5 * 2 ** -149,
    1 + 2 ** -24, 1 + 3 * 2 ** -24, (2 - 2 ** -23) * 2 ** 127, (2 - 2 ** -24) * 2 ** 127, 2 ** 128, 2 ** 1000])
    neighbours(doubleBits(value)).forEach((bits) => doubles.add(bits));
doubles.add(doubleBits(Infinity));
for (const bits of [...doubles]) if (bits !== doubleBits(NaN)) doubles.add(bits | 1n << 63n);
const kinds = Object.values(numbers);
for (const bits of doubles) {
    const value = listOf(Float64Array, bits)[0];
    row("NUMBER", hex(bits), ...kinds.map((List) => hex(bitsOf(List.of(value)))));
}

// Integers: modulo 2^bits each, as BigInt has it; clamped as a number.
const integers = new Set([0n, 0x123456789abcdef0n, 2n ** 53n + 1n]);
for (const bits of [7n, 8n, 15n, 16n, 31n, 32n, 53n, 63n])
    neighbours(2n ** bits).concat(neighbours(-(2n ** bits)))
        .forEach((value) => BigInt.asIntN(64, value) === value && integers.add(value));
for (const value of integers) {
    const wrapped = (List) => {
        const bits = BigInt(8 * List.BYTES_PER_ELEMENT);
        const number = Number(List.name.startsWith("Int") ? BigInt.asIntN(Number(bits), value)
                                                          : BigInt.asUintN(Number(bits), value));
        return bitsOf(List.of(List === Uint8ClampedArray ? Number(value) : number));
    };
    row("INTEGER", hex(BigInt.asUintN(64, value)), ...kinds.slice(0, 7).map((List) => hex(wrapped(List))),
        ...Object.values(bigints).map((List) => hex(bitsOf(List.of(value)))));
}

// Elements of each kind, as TypedArray.prototype.set converts them.
for (const [kind, List] of Object.entries(numbers)) {
    const width = BigInt(8 * List.BYTES_PER_ELEMENT), top = 1n << (width - 1n), elements = new Set();
    if (kind === "F64") continue; // as NUMBER
    for (const bits of [0n, 1n, 2n, 126n, 127n, 128n, 129n, 254n, 255n, top - 1n, top, top + 1n,
        2n * top - 1n, 0xa5a5a5a5n, 0x5a5a5a5an, 0x8000n, 0xffffn, 0x7fffn])
        elements.add(BigInt.asUintN(Number(width), bits));
    if (kind === "F32") {
        [Infinity, NaN].forEach((value) => elements.add(floatBits(value)));
        for (const value of [0.5, 1.5, 2.5, 127.5, 254.5, 255.5, 65535.5, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64, 2 ** 86])
            for (const near of neighbours(floatBits(value))) elements.add(near), elements.add(near | top);
    }
    for (const bits of elements) {
        const from = listOf(List, bits);
        const to = kinds.map((To) => { const list = new To(1); list.set(from); return hex(bitsOf(list)); });
        if (Number.isNaN(from[0]) && bits !== floatBits(NaN)) continue; // a NaN's bits are anybody's
        row("COPY", kind, hex(bits), ...to);
    }
}
