// The end of the module's data, linked last: __heap_base is then the end of a page and of the
// memory, so that peers, which begin there, find the same in each form of the module.
enum { END_BYTES = 65536 };
extern unsigned char module_end[END_BYTES];
_Alignas(END_BYTES) unsigned char module_end[END_BYTES];
