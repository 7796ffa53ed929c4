// AssemblyScript's TLSF as C's functions. It aligns to 16 bytes at most.
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
export function posix_memalign(block: usize, alignment: usize, size: usize): i32 {
  if (alignment > 16) return 12; // ENOMEM
  store<usize>(block, heap.alloc(size));
  return 0;
}
export function free(block: usize): void {
  heap.free(block);
}
