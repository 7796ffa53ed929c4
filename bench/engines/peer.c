#include "bench/engines/peer.h"

#include <string.h>

#define PEER(name, library, package, reached, about) {#name, library, package, reached, about},
const peer peers[] = {
#include "bench/engines/peers.def"
};
#undef PEER
const size_t peer_count = sizeof peers / sizeof *peers;

const peer *peer_named(const char *name) {
    for (size_t i = 0; i < peer_count; i++)
        if (strcmp(peers[i].name, name) == 0) return &peers[i];
    return NULL;
}
