// Replaces libFuzzer in a target that only plays stored inputs (--play=FOLDER).
#include "fuzz/targets/target.h"

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t max) {
    (void)bytes, (void)max;
    return count;
}

int main(int argc, char **argv) {
    return LLVMFuzzerInitialize(&argc, &argv);
}
