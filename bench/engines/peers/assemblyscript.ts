// AssemblyScript's TLSF as C's functions. It has no aligned allocation beyond 16 bytes: NULL.
export function malloc(size: usize): usize {
  return heap.alloc(size);
}
export function calloc(count: usize, size: usize): usize {
  const block = heap.alloc(count * size);
  memory.fill(block, 0, count * size);
  return block;
}
export function realloc(block: usize, size: usize): usize {
  return heap.realloc(block, size);
}
export function aligned_alloc(alignment: usize, size: usize): usize {
  return alignment <= 16 ? heap.alloc(size) : 0;
}
export function free(block: usize): void {
  heap.free(block);
}
